"""Judge prompts: rendered where they can do no harm, and inspected before anything depends on them."""

import subprocess
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunestep.prompts.inspection import fenced, inspect
from tunestep.prompts.render import Limits, TemplateFault, render

WHERE = "$.reward.prompt"
SOUND = "Question: {{ prompt }}\n<response>\n{{ response }}\n</response>\nScore it."
TIGHT = Limits(wall_seconds=60.0, cpu_seconds=1, memory_bytes=160 * 1024 * 1024, output_characters=10_000)


def codes(template: str) -> list[tuple[str, str]]:
    return [(finding.severity, finding.code) for finding in inspect(template, WHERE)]


def test_a_template_is_rendered_for_each_row() -> None:
    rows = [{"prompt": "1+1", "response": "2"}, {"prompt": "<b>", "response": "{{ prompt }} & \U0001f600"}]
    rendered = render("{{ prompt }}={{ response }}\n", rows)
    assert rendered.texts == ("1+1=2\n", "<b>={{ prompt }} & \U0001f600\n")
    assert rendered.variables == ("prompt", "response")


def test_a_sound_prompt_has_no_finding() -> None:
    assert codes(SOUND) == []


@pytest.mark.parametrize(
    ("template", "code", "said"),
    [
        ("{{ prompt }", "PROMPT_INVALID", "line 1"),
        ("{% if prompt %}\n{{ response }}", "PROMPT_INVALID", "line"),
        ("{% nonsense %}", "PROMPT_INVALID", "nonsense"),
        ("{{ prompt | nonsense }} {{ response }}", "PROMPT_INVALID", "nonsense"),
        ("{{ prompt }}", "PROMPT_VARIABLES_MISSING", "{{ response }}"),
        ("Judge it.", "PROMPT_VARIABLES_MISSING", "{{ prompt }} and {{ response }}"),
        ("", "PROMPT_VARIABLES_MISSING", "{{ prompt }} and {{ response }}"),
        ("{% set response = 1 %}{{ prompt }} {{ response }}", "PROMPT_VARIABLES_MISSING", "{{ response }}"),
        (SOUND + "{{ ground_truth }} {{ rubric }}", "PROMPT_VARIABLES_UNKNOWN", "ground_truth, rubric"),
        (SOUND + "{{ lipsum() }}", "PROMPT_VARIABLES_UNKNOWN", "lipsum"),
        (SOUND + "{{ [1, 2, 3]|random }}", "PROMPT_INVALID", "random"),
        (
            "{{ prompt }}{% if prompt == 'x' %}{{ response }}{% endif %}",
            "PROMPT_VARIABLE_NOT_SHOWN",
            "response",
        ),
        ("{{ prompt | length }} <r>{{ response }}</r>", "PROMPT_VARIABLE_NOT_SHOWN", "prompt"),
        ("{% include 'other' %}" + SOUND, "PROMPT_USES_FILES", "other"),
        ("{% extends '/etc/passwd' %}" + SOUND, "PROMPT_USES_FILES", "/etc/passwd"),
        ("{% import '../x' as x %}" + SOUND, "PROMPT_USES_FILES", "../x"),
        ("{% include prompt %}{{ response }}", "PROMPT_USES_FILES", "only known later"),
    ],
)
def test_what_is_wrong_with_a_prompt_is_said(template: str, code: str, said: str) -> None:
    (finding,) = inspect(template, WHERE)
    assert (finding.severity, finding.code, finding.where) == ("error", code, WHERE)
    assert said in finding.message + finding.fix


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ prompt.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.system('id') }}",
    "{{ self.__init__.__globals__ }}",
    "{{ ''['__class__'] }}",
    "{{ (prompt|attr('__class__')).mro() }}",
    "{{ '{0.__class__}'.format(prompt) }}",
    "{{ namespace.__init__ }}",
    "{{ __import__('os') }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ config.items() }}",
    "{% set x = [] %}{{ x.append(1) }}",
]


@pytest.mark.parametrize("template", ESCAPES)
def test_no_template_gets_at_anything_but_its_variables(template: str) -> None:
    try:
        (text,) = render(template, [{"prompt": "p", "response": "r"}], TIGHT).texts
    except TemplateFault:
        return
    assert not any(sign in text for sign in ("class", "module", "function", "root:", "uid="))


BOMBS = {
    "string": "{{ 'a' * 10**10 }}",
    "list": "{{ [0] * 10**10 }}",
    "filter": "{{ prompt | center(10**10) }}",
    "number": "{{ (10**10)**(10**8) }}",
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "long output": "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    "doubling": "{% set n = namespace(t='a') %}{% for a in range(60) %}{% set n.t = n.t*2 %}{% endfor %}",
    "recursion": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "deep nesting": "{{ " + "(" * 30_000,
    "deep lists": "{{ " + "[" * 30_000 + "]" * 30_000 + " }}",
    "many blocks": "{% if prompt %}" * 3_000,
    "backtracking": "{{ '" + "\\" * 60_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_ends_at_a_limit_and_is_a_fault_of_the_template(name: str) -> None:
    with pytest.raises(TemplateFault):
        render(BOMBS[name], [{"prompt": "p", "response": "r"}], TIGHT)


@pytest.mark.parametrize(
    ("name", "said"),
    [("string", "MB of memory"), ("loops", "processor time"), ("long output", "10000 characters")],
)
def test_a_bomb_says_which_limit_it_passed(name: str, said: str) -> None:
    with pytest.raises(TemplateFault, match=said):
        render(BOMBS[name], [{}], TIGHT)


def test_the_clock_holds_where_the_processor_s_does_not() -> None:
    with pytest.raises(TemplateFault, match="longer than"):
        render(BOMBS["loops"], [{}], Limits(wall_seconds=0.5, cpu_seconds=60))


def test_nothing_of_this_process_s_environment_reaches_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    run = subprocess.run

    def watched(command: list[str], **options: Any) -> Any:
        seen.append(options)
        return run(command, **options)

    monkeypatch.setattr(subprocess, "run", watched)
    render(SOUND, [{"prompt": "p", "response": "r"}])
    assert [options["env"] for options in seen] == [{}]


def test_a_lone_surrogate_of_a_row_comes_out_as_it_went_in() -> None:
    assert render("{{ response }}", [{"response": "a\ud800b"}]).texts == ("a\ud800b",)


@given(st.text(max_size=300))
@settings(max_examples=25, deadline=None)
def test_any_text_at_all_is_rendered_or_refused(text: str) -> None:
    for finding in inspect(text, WHERE):
        assert finding.code.startswith("PROMPT_")


@given(st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=15, deadline=None)
def test_what_a_row_says_is_never_read_as_a_template(prompt: str, response: str) -> None:
    rendered = render("{{ prompt }}|{{ response }}", [{"prompt": prompt, "response": response}])
    assert rendered.texts == (f"{prompt}|{response}",)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("<response>", "</response>", True),
        ('Look: <answer id="a">\n', "\n</answer>", True),
        ("<response>", "</answer>", False),
        ("<response>", "", False),
        ("```\n", "\n```", True),
        ("```text\n", "\n```", True),
        ('"""', '"""', True),
        ("---\n", "\n---\nscore", True),
        ("<<<\n", "\n>>>", True),
        ("[BEGIN ANSWER]\n", "\n[END ANSWER]", True),
        ("=== BEGIN ===\n", "\n=== END ===", True),
        ("[BEGIN ANSWER]\n", "\nscore it", False),
        ("Answer: ", "\nScore:", False),
        ('"', '"', False),
        ("", "", False),
    ],
)
def test_a_fence_opens_and_closes(before: str, after: str, expected: bool) -> None:
    assert fenced(before, after) is expected


def test_every_place_that_shows_the_response_has_to_be_fenced() -> None:
    fence = "<response>{{ response }}</response>"
    assert codes("{{ prompt }} " + fence + " Again: " + fence) == []
    assert codes("{{ prompt }} " + fence + " Again: {{ response }} Score:") == [
        ("warning", "PROMPT_RESPONSE_NOT_FENCED")
    ]


def test_a_prompt_without_a_fence_is_a_warning() -> None:
    assert codes("{{ prompt }}\nAnswer: {{ response }}\nScore:") == [
        ("warning", "PROMPT_RESPONSE_NOT_FENCED")
    ]
