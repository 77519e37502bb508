"""A web page can neither read nor change anything on the laptop port."""

import http.client
import json
import socket

import pytest

from tunestep.local.front import Front, Server

BODY = b"secret"


def app(environ, start_response):
    """Answers everything, with the headers that moto adds."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    environ["wsgi.input"].read(length)
    start_response(
        "200 OK",
        [
            ("Content-Length", str(len(BODY))),
            ("Access-Control-Allow-Origin", "*"),
            ("access-control-allow-methods", "PUT"),
        ],
    )
    return [BODY]


@pytest.fixture(scope="module")
def port():
    server = Server(Front(moto=app), 0)
    server.start()
    yield server.port
    server.close()


def ask(port, method="GET", path="/", body=None, **headers):
    """One raw request; a header of None is left out, Host included."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Host": f"127.0.0.1:{port}", **headers}.items():
        if value is not None:
            connection.putheader(name.replace("_", "-"), value.format(port=port))
    connection.endheaders(body)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, data


SERVED = {
    "an AWS client": {},
    "localhost by name": {"Host": "localhost:{port}"},
    "typed into the address bar": {"Sec_Fetch_Site": "none", "Sec_Fetch_Mode": "navigate"},
    "our own page": {"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"},
    "a link to an approval page": {
        "path": "/approvals/abc",
        "Sec_Fetch_Site": "cross-site",
        "Sec_Fetch_Mode": "navigate",
        "Sec_Fetch_Dest": "document",
    },
}

SERVED["the approval page's form, which has no referrer"] = {
    "method": "POST",
    "path": "/approvals/abc",
    "Origin": "null",
    "Sec_Fetch_Site": "same-origin",
}

REFUSED = {
    "no Host": ({"Host": None}, 421),
    "a rebound name": ({"Host": "evil.example:{port}"}, 421),
    "a rebound name without a port": ({"Host": "evil.example"}, 421),
    "another port": ({"Host": "127.0.0.1:1"}, 421),
    "the bare address": ({"Host": "127.0.0.1"}, 421),
    "an address that looks alike": ({"Host": "127.0.0.1.evil.example:{port}"}, 421),
    "user part in Host": ({"Host": "127.0.0.1:{port}@evil.example"}, 421),
    "another loopback address": ({"Host": "127.0.0.2:{port}"}, 421),
    "a foreign Origin": ({"Origin": "https://evil.example"}, 403),
    "a sandboxed page": ({"Origin": "null"}, 403),
    "a sandboxed form": ({"method": "POST", "path": "/approvals/abc", "Origin": "null"}, 403),
    "a sandboxed form of another site": (
        {
            "method": "POST",
            "path": "/approvals/abc",
            "Origin": "null",
            "Sec_Fetch_Site": "cross-site",
        },
        403,
    ),
    "a form without origin to a service": (
        {"method": "POST", "path": "/bucket", "Origin": "null", "Sec_Fetch_Site": "same-origin"},
        403,
    ),
    "an empty Origin": ({"Origin": ""}, 403),
    "a page on another local port": ({"Origin": "http://127.0.0.1:1"}, 403),
    "our address over https": ({"Origin": "https://127.0.0.1:{port}"}, 403),
    "an image of another site": ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"}, 403),
    "another port of this machine": ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"}, 403),
    "a value that no browser sends": ({"Sec_Fetch_Site": "SAME-ORIGIN"}, 403),
    "a link to an object": (
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"},
        403,
    ),
    "an approval page in a frame": (
        {
            "path": "/approvals/abc",
            "Sec_Fetch_Site": "cross-site",
            "Sec_Fetch_Mode": "navigate",
            "Sec_Fetch_Dest": "iframe",
        },
        403,
    ),
    "a form sent to an approval page": (
        {
            "method": "POST",
            "path": "/approvals/abc",
            "Sec_Fetch_Site": "cross-site",
            "Sec_Fetch_Mode": "navigate",
            "Sec_Fetch_Dest": "document",
        },
        403,
    ),
    "an approval page fetched by script": (
        {"path": "/approvals/abc", "Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "cors"},
        403,
    ),
    "a preflight": ({"method": "OPTIONS", "Origin": "https://evil.example"}, 405),
    "a bare OPTIONS": ({"method": "OPTIONS"}, 405),
    "TRACE": ({"method": "TRACE"}, 405),
    "CONNECT": ({"method": "CONNECT"}, 405),
    "a method of one's own": ({"method": "BREW"}, 405),
    "moto's dashboard": ({"path": "/moto-api/"}, 404),
    "moto's reset": ({"method": "POST", "path": "/moto-api/reset"}, 404),
    "moto's data": ({"path": "/moto-api/data.json"}, 404),
    "moto's dashboard, spelt otherwise": ({"path": "/MOTO-API"}, 404),
    "moto's dashboard, escaped": ({"path": "/%6doto-api/"}, 404),
    "moto's dashboard behind slashes": ({"path": "//moto-api/"}, 404),
    "instance metadata": ({"path": "/latest/meta-data/iam/security-credentials/"}, 404),
    "a length that is no number": ({"method": "PUT", "Content_Length": "12a"}, 400),
    "a negative length": ({"method": "PUT", "Content_Length": "-1"}, 400),
    "a body over the limit": ({"method": "PUT", "Content_Length": str(2**40)}, 413),
    "two framings": ({"method": "PUT", "Content_Length": "0", "Transfer_Encoding": "chunked"}, 400),
}


@pytest.mark.parametrize("request_", SERVED.values(), ids=SERVED)
def test_clients_and_our_own_pages_are_served(port, request_):
    status, _, data = ask(port, **request_)
    assert (status, data) == (200, BODY)


@pytest.mark.parametrize(("request_", "status"), REFUSED.values(), ids=REFUSED)
def test_everything_else_is_refused_and_tells_nothing(port, request_, status):
    answered, _, data = ask(port, **request_)
    assert answered == status
    assert BODY not in data


@pytest.mark.parametrize("request_", [*SERVED.values(), {"Origin": "https://evil.example"}])
def test_no_answer_has_a_cors_header(port, request_):
    _, headers, _ = ask(port, **request_)
    assert not [name for name in headers if name.startswith("access-control-")]
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("request_", [*SERVED.values(), {"Origin": "https://evil.example"}])
def test_an_object_that_is_a_page_runs_no_script_on_our_origin(port, request_):
    _, headers, _ = ask(port, **request_)
    assert headers["content-security-policy"].startswith("sandbox;")


def test_a_refused_connection_is_closed_so_that_its_body_is_not_read_as_a_request(port):
    _, headers, _ = ask(port, "PUT", body=b"GET / HTTP/1.1\r\n", Content_Length="16", Origin="null")
    assert headers["connection"] == "close"


def test_the_port_is_bound_to_loopback_only(port):
    with socket.socket() as probe:
        probe.settimeout(2)
        with pytest.raises(OSError):
            probe.connect(("127.0.0.2", port))


def test_a_service_that_is_not_there_says_so_in_the_shape_of_aws(port):
    status, _, data = ask(port, "POST", X_Amz_Target="SageMaker.ListHubs", Content_Length="0")
    assert status == 501
    assert json.loads(data)["__type"] == "NotImplemented"
