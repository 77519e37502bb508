import pytest

from tunestep import licences


@pytest.mark.parametrize(
    ("model", "name", "url"),
    [
        ("meta-textgeneration-llama-3-8b-instruct", "Llama 3 Community", "llama.com/llama3/license"),
        ("meta-textgeneration-llama-3-1-8b", "Llama 3.1 Community", "llama.com/llama3_1/license"),
        ("meta-textgeneration-llama-3-2-1b-instruct", "Llama 3.2 Community", "llama.com/llama3_2/license"),
        ("meta-textgeneration-llama-3-3-70b-instruct", "Llama 3.3 Community", "llama.com/llama3_3/license"),
        ("meta-vlm-llama-4-scout-17b-16e-instruct", "Llama 4 Community", "llama.com/llama4/license"),
        ("huggingface-reasoning-qwen3-8b", "Apache License 2.0", "apache.org/licenses/LICENSE-2.0"),
        ("huggingface-llm-qwen2-5-7b-instruct", "Apache License 2.0", "apache.org/licenses/LICENSE-2.0"),
        ("huggingface-llm-qwen2-5-72b-instruct", "Tongyi Qianwen", "Qwen2.5-72B-Instruct"),
        ("deepseek-llm-r1-distill-qwen-14b", "MIT License", "DeepSeek-R1"),
        ("deepseek-llm-r1-distill-llama-8b", "Llama Community License", "DeepSeek-R1"),
        ("openai-reasoning-gpt-oss-20b", "Apache License 2.0", "apache.org/licenses/LICENSE-2.0"),
        ("nova-textgeneration-lite-v2", "AWS Service Terms", "aws.amazon.com/service-terms/"),
    ],
)
def test_every_customizable_family_has_its_licence_and_link(model: str, name: str, url: str) -> None:
    licence = licences.find(model)
    assert licence is not None
    assert name in licence.name
    assert url in licence.url
    assert licence.url.startswith("https://")


def test_an_unknown_family_has_no_licence() -> None:
    assert licences.find("acme-textgeneration-1b") is None


def test_statement_of_an_open_model_names_licence_and_link() -> None:
    licence = licences.find("huggingface-reasoning-qwen3-8b")
    assert licence is not None
    assert licences.statement(licence) == (
        "This model is licensed under Apache License 2.0. Please review the license terms here: "
        "https://www.apache.org/licenses/LICENSE-2.0."
    )


def test_statement_of_a_nova_model_points_to_the_service_terms() -> None:
    assert licences.statement(licences.AWS_SERVICE_TERMS) == (
        "This model is subject to the AWS Service Terms: https://aws.amazon.com/service-terms/."
    )
