"""Signed tokens (JWT) end to end: a real issuer over HTTPS and HTTP, tokens made by PyJWT, every algorithm, and the abuse
cases A16 to A19 (../shared/data/security/abuse_cases.jsonl), each a test by its id.

The issuer counts what it is asked: a refused token must cause no request that its case does not allow."""

import base64
import concurrent.futures
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import ssl
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from harness import ROOT, eventually

DATA = pathlib.Path(os.environ.get("WEIR_DATA", ROOT / "../shared/data"))
SECRET = "a secret that is shared, of forty bytes."
REFUSED = {"message": "The token is not valid.", "type": "authentication_error", "param": None, "code": "invalid_token"}

KEYS = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "ec": ec.generate_private_key(ec.SECP256R1()),
    "ed": ed25519.Ed25519PrivateKey.generate(),
    "stranger": ec.generate_private_key(ec.SECP256R1()),
}
ALGORITHMS = {"RS256": "rsa", "PS256": "rsa", "ES256": "ec", "EdDSA": "ed"}


def jwk(name: str, kid: str | None = None) -> dict:
    key = KEYS[name].public_key()
    kind = {"rsa": RSAAlgorithm, "ed": OKPAlgorithm}.get(name, ECAlgorithm)
    made = kind.to_jwk(key, as_dict=True)
    return {k: v for k, v in made.items() if k != "key_ops"} | {"kid": kid or name, "use": "sig"}


class Issuer:
    """An OpenID issuer: discovery and keys. `paths` is what it was asked."""

    def __init__(self, authority=None):
        self.paths: list[str] = []
        self.keys = [jwk("rsa"), jwk("ec"), jwk("ed")]
        self.status = 200
        self.headers: dict[str, str] = {}
        self.gate = threading.Event()
        self.gate.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.paths.append(self.path)
                outer.gate.wait(30)
                what = {"keys": outer.keys}
                if self.path.endswith("/.well-known/openid-configuration"):
                    what = {"issuer": outer.url, "jwks_uri": outer.url + "/keys", "extra": [1]}
                body = json.dumps(what).encode()
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority / "server.pem", authority / "server.key")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        scheme = "https" if authority else "http"
        self.url = f"{scheme}://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def claims(self, **over) -> dict:
        made = {"iss": self.url, "sub": "ada", "aud": ["other", "weir"], "exp": int(time.time()) + 600, **over}
        return {k: v for k, v in made.items() if v is not None}

    def token(self, alg: str = "ES256", key: str | None = None, header: dict | None = None, **over) -> str:
        name = key or ALGORITHMS[alg]
        return jwt.encode(self.claims(**over), KEYS[name], algorithm=alg, headers={"kid": name, **(header or {})})

    def settings(self, **over) -> dict:
        return {"name": "corp", "issuer": self.url, "audiences": "weir", **over}

    def stop(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def issuer():
    made = Issuer()
    yield made
    made.stop()


def start(gateway, issuer, *more, ready=True, **settings):
    weir = gateway({"auth": {"issuers": [issuer.settings(**settings), *more]}})
    if ready:
        weir.wait_log(message="issuer corp: its keys are here: 3")
    return weir


def refused(weir, token: str):
    answer = weir.chat(key=token)
    assert answer.status == 401, answer
    assert answer.error == REFUSED, answer
    return answer


def segment(value) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def hs256(header: dict, claims, secret: bytes) -> str:
    text = segment(header) + "." + segment(claims)
    return text + "." + segment(hmac.digest(secret, text.encode(), hashlib.sha256))


# ---------------------------------------------------------------------------------------------------------- what is taken


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_every_algorithm_of_an_issuer_that_is_discovered(gateway, issuer, alg):
    weir = start(gateway, issuer)
    assert weir.chat(key=issuer.token(alg)).status == 200
    assert weir.get("/v1/models", key=issuer.token(alg)).status == 200
    assert issuer.paths == ["/.well-known/openid-configuration", "/keys"]


def test_over_https_with_the_issuers_own_authority(gateway, authority):
    issuer = Issuer(authority)
    weir = start(gateway, issuer, jwks_url=issuer.url + "/keys", ca_file=str(authority / "ca.pem"))
    assert weir.chat(key=issuer.token("RS256")).status == 200
    assert issuer.paths == ["/keys"]
    issuer.stop()


def test_https_without_a_trusted_authority_gives_no_keys(gateway, authority):
    issuer = Issuer(authority)
    weir = start(gateway, issuer, ready=False)
    eventually(lambda: any("could not be fetched" in line["message"] for line in weir.log()), "the log does not say it")
    refused(weir, issuer.token("RS256"))
    assert issuer.paths == []
    assert "keys of issuer corp" in weir.get("/ready", key=None).body.decode()
    issuer.stop()


def test_keys_of_a_file(gateway, issuer, tmp_path):
    (tmp_path / "keys.json").write_text(json.dumps({"keys": issuer.keys}))
    weir = start(gateway, issuer, jwks_file=str(tmp_path / "keys.json"))
    assert weir.chat(key=issuer.token("EdDSA")).status == 200
    assert issuer.paths == []


def test_a_shared_secret(gateway, issuer):
    weir = gateway({"auth": {"issuers": [issuer.settings(hs256_key=SECRET)]}})
    assert weir.chat(key=jwt.encode(issuer.claims(), SECRET, algorithm="HS256")).status == 200
    refused(weir, jwt.encode(issuer.claims(), SECRET + "x", algorithm="HS256"))
    refused(weir, issuer.token("ES256"))
    assert issuer.paths == []


def test_keys_and_tokens_side_by_side_and_in_every_header(gateway, issuer):
    weir = start(gateway, issuer)
    token = issuer.token()
    assert weir.chat().status == 200  # the configuration's key
    for name in ("api-key", "x-api-key"):
        assert weir.chat(key=None, headers={name: token}).status == 200
    both = weir.chat(key=token, headers={"api-key": "sk-other"})
    assert (both.status, both.error["code"]) == (401, "invalid_api_key")
    assert weir.chat(key="sk-wrong").error["code"] == "invalid_api_key"


def test_a_refusal_in_each_dialect(gateway, issuer):
    weir = start(gateway, issuer)
    token = issuer.token(exp=1)
    answer = weir.request("POST", "/v1/messages", {"model": "river", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]},
                          key=None, headers={"x-api-key": token, "anthropic-version": "2023-06-01"})
    assert (answer.status, answer.json()["error"]["type"]) == (401, "authentication_error"), answer
    assert weir.get("/v1/models", key=token).error == REFUSED


def test_a_reload_takes_and_drops_issuers(gateway, issuer):
    weir = start(gateway, issuer)
    token = issuer.token()
    assert weir.chat(key=token).status == 200
    weir.configure({"auth": {"issuers": [issuer.settings(audiences="somebody-else")]}})
    eventually(lambda: weir.chat(key=token).status == 401, "the token of another audience is still taken")
    weir.configure({"auth": {"issuers": []}})
    eventually(lambda: weir.chat(key=token).error["code"] == "invalid_api_key", "tokens are still looked at")


def test_models_of_an_issuer(gateway, issuer):
    weir = start(gateway, issuer, models=["nothing-else"])
    answer = weir.chat(key=issuer.token())
    assert answer.status in (403, 404), answer


def test_a_tenant_that_is_suspended_takes_its_tokens_along(gateway, issuer, tmp_path):
    settings = issuer.settings(tenant_claim="org", roles_claim="groups", roles={"ops": "viewer"})
    weir = gateway({"auth": {"issuers": [settings]}, "data": {"directory": str(tmp_path / "data")}})
    owner = weir.said.wait(lambda line: re.match(r"  owner key (wr_\w+)  ", line), "no owner key was shown")[1]

    def admin(method, path, body=None, key=owner):
        return weir.request(method, "/admin/v1" + path, body, key=key)

    assert admin("POST", "/tenants", {"name": "acme", "id": "acme"}).status == 201
    token, other = issuer.token(org="acme", groups=["ops"]), issuer.token(org="other")
    assert weir.chat(key=token).status == 200
    assert weir.chat(key=other).status == 200
    me = admin("GET", "/me", key=token).json()
    assert (me["name"], me["tenant"], me["roles"]) == ("ada", "acme", ["viewer"])
    assert admin("POST", "/teams", {"name": "mine"}, key=token).status == 403  # a viewer sees
    assert admin("GET", "/tenants", key=other).status == 403  # and who has no role does not
    assert admin("PATCH", "/tenants/acme", {"state": "suspended"}).status == 200
    answer = weir.chat(key=token)  # remembered a moment ago
    assert (answer.status, answer.error["code"]) == (403, "account_suspended"), answer
    assert weir.chat(key=other).status == 200
    assert admin("PATCH", "/tenants/acme", {"state": "active"}).status == 200
    assert weir.chat(key=token).status == 200


# ------------------------------------------------------------------------------------------------------------------- A16


def test_a16_algorithm_confusion_and_keys_from_the_token(gateway, issuer):
    weir = start(gateway, issuer)
    assert weir.chat(key=issuer.token()).status == 200
    asked = list(issuer.paths)
    claims = issuer.claims()
    for alg in ("none", "None", "nOnE", "NONE"):
        for signature in ("", segment(b"x")):
            refused(weir, segment({"alg": alg, "typ": "JWT"}) + "." + segment(claims) + "." + signature)
    # The public key, which everybody has, as the secret: in each form it may be held.
    public = KEYS["rsa"].public_key()
    forms = [public.public_bytes(encoding, form)
             for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER)
             for form in (serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1)]
    for form in [*forms, json.dumps(jwk("rsa")).encode()]:
        refused(weir, hs256({"alg": "HS256", "kid": "rsa"}, claims, form))
    # Keys that the token brings along, and addresses where they would be.
    evil = issuer.url + "/evil"
    for header in ({"jwk": jwk("stranger")}, {"jku": evil}, {"x5u": evil}, {"x5c": ["AAAA"]}):
        refused(weir, issuer.token("ES256", key="stranger", header={"kid": "ec", **header}))
    for kid in ("../../../../dev/null", "' OR 1=1 --", "\u0000", "a" * 4000, evil):
        refused(weir, issuer.token("ES256", key="stranger", header={"kid": kid}))
    for header in ({"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"b64": False}, {"zip": "DEF"}):
        text = segment({"alg": "ES256", "kid": "ec", **header}) + "." + segment(claims)
        refused(weir, text + "." + segment(b"s" * 64))
    # A key of the set, for another algorithm than its own.
    refused(weir, issuer.token("RS256", key="rsa", header={"kid": "ec"}))
    refused(weir, issuer.token("ES256", key="ec", header={"kid": "rsa"}))
    assert issuer.paths == asked  # no request went out for any of them
    assert weir.chat(key=issuer.token()).status == 200


def test_a16_every_vector_of_wycheproof_is_refused_as_a_key(gateway, issuer):
    files = [DATA / "security/jwt" / f"json_web_{name}_test.json" for name in ("signature", "encryption", "crypto")]
    if not all(f.exists() for f in files):
        pytest.skip("the public test data is not beside the checkout (WEIR_DATA)")
    weir = start(gateway, issuer)
    asked = list(issuer.paths)
    tokens = set()
    for file in files:
        for group in json.loads(file.read_text())["testGroups"]:
            for test in group["tests"]:
                token = test.get("jws", test.get("jwe"))
                if isinstance(token, str) and token and token.isascii() and token.isprintable() and " " not in token:
                    tokens.add(token)
    assert len(tokens) > 500
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda token: weir.chat(key=token), sorted(tokens)))
    assert {a.status for a in answers} == {401}
    assert {a.error["code"] for a in answers} <= {"invalid_token", "invalid_api_key"}
    assert issuer.paths == asked


# ------------------------------------------------------------------------------------------------------------------- A17


def test_a17_claims_and_forms(gateway, issuer):
    weir = start(gateway, issuer, type="at+jwt")
    typed = {"typ": "at+jwt"}
    now = int(time.time())
    assert weir.chat(key=issuer.token(header=typed)).status == 200
    assert weir.chat(key=issuer.token(header=typed, exp=now - 5)).status == 200  # clocks differ
    for over in ({"exp": now - 3600}, {"exp": None}, {"exp": 1e300}, {"nbf": now + 3600}, {"iss": issuer.url + "/"},
                 {"iss": "https://evil.test"}, {"iss": None}, {"aud": "weir2"}, {"aud": None}, {"aud": []}, {"sub": None}):
        refused(weir, issuer.token("EdDSA", header=typed, **over) if over != {"exp": 1e300} else
                issuer.token("EdDSA", header=typed, nbf="soon"))
    refused(weir, issuer.token())  # of no type
    refused(weir, issuer.token(header={"typ": "JWT"}))
    # A signature that is not one: of zeros (CVE-2022-21449), as DER, cut.
    text = segment({"alg": "ES256", "kid": "ec", **typed}) + "." + segment(issuer.claims())
    from cryptography.hazmat.primitives import hashes
    der = KEYS["ec"].sign(text.encode(), ec.ECDSA(hashes.SHA256()))
    for signature in (b"\0" * 64, der, b"\xff" * 64, b""):
        refused(weir, text + "." + segment(signature))
    # A claim that is there twice: one for us, one for whoever reads the other.
    body = json.dumps(issuer.claims())[:-1] + ', "sub": "root"}'
    text = segment({"alg": "EdDSA", "kid": "ed", **typed}) + "." + segment(body.encode())
    refused(weir, text + "." + segment(KEYS["ed"].sign(text.encode())))
    # As long as one may be, and longer.
    fits = issuer.token("EdDSA", header=typed, pad="x" * 5000)
    assert len(fits) < 8192 and weir.chat(key=fits).status == 200
    refused(weir, issuer.token("EdDSA", header=typed, pad="x" * 8000))
    assert weir.chat(key=issuer.token("EdDSA", header=typed, pad="x" * (1 << 20))).status in (401, 431)


# ------------------------------------------------------------------------------------------------------------------- A18


def test_a18_tokens_that_begin_alike_are_each_verified(gateway, issuer):
    weir = start(gateway, issuer)
    ada, exp = issuer.token("EdDSA"), issuer.claims()["exp"]
    assert weir.chat(key=ada).status == 200
    assert weir.chat(key=ada).status == 200  # remembered
    head, body, signature = ada.split(".")
    for other in (signature[:-8] + "AAAAAAAA", signature[:43] + ("A" if signature[43] != "A" else "B") + signature[44:]):
        refused(weir, f"{head}.{body}.{other}")
    long = {"a": "same" * 500}
    one = jwt.encode({**long, **issuer.claims(exp=exp)}, KEYS["ed"], algorithm="EdDSA", headers={"kid": "ed"})
    two = jwt.encode({**long, **issuer.claims(exp=exp, aud="other")}, KEYS["ed"], algorithm="EdDSA", headers={"kid": "ed"})
    same = os.path.commonprefix([one, two])
    assert len(same) > 2500
    assert weir.chat(key=one).status == 200
    refused(weir, two)
    assert weir.chat(key=one).status == 200


# ------------------------------------------------------------------------------------------------------------------- A19


def test_a19_a_flood_of_unknown_keys_is_one_fetch(gateway, issuer):
    weir = start(gateway, issuer, jwks_url=issuer.url + "/keys")
    good = issuer.token("RS256")
    assert weir.chat(key=good).status == 200

    def attack(i):
        return weir.chat(key=issuer.token("ES256", key="stranger", header={"kid": f"unknown-{i}"}))

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(attack, range(300)))
    assert {(a.status, a.error["code"]) for a in answers} == {(401, "invalid_token")}
    assert issuer.paths == ["/keys"]
    # The issuer is down: whoever it signed for is not.
    issuer.server.shutdown()
    issuer.server.server_close()
    attack(301)
    assert weir.chat(key=issuer.token("EdDSA")).status == 200
    assert weir.chat(key=good).status == 200


def test_a19_those_who_come_before_the_keys_wait_for_the_one_fetch(gateway, issuer):
    issuer.gate.clear()
    weir = start(gateway, issuer, ready=False, jwks_url=issuer.url + "/keys")
    eventually(lambda: issuer.paths, "nothing was fetched")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(lambda i=i: weir.chat(key=issuer.token(sub=f"user-{i}"))) for i in range(12)]
        asked += [pool.submit(lambda: weir.chat(key=issuer.token(key="stranger", header={"kid": "x"})))]
        done, _ = concurrent.futures.wait(asked, timeout=0.5)
        assert not done
        issuer.gate.set()
        assert [a.result().status for a in asked] == [200] * 12 + [401]
    assert issuer.paths == ["/keys"]


def test_a19_an_issuer_that_never_answers_costs_seconds_not_the_service(gateway, issuer):
    issuer.gate.clear()
    weir = start(gateway, issuer, ready=False, jwks_url=issuer.url + "/keys")
    refused(weir, issuer.token())  # after the bound of a fetch
    assert weir.chat().status == 200
    assert issuer.paths == ["/keys"]


def test_redirects_are_not_followed(gateway, issuer):
    issuer.status, issuer.headers = 302, {"Location": issuer.url + "/elsewhere"}
    weir = start(gateway, issuer, ready=False, jwks_url=issuer.url + "/keys")
    eventually(lambda: any("status is 302" in line["message"] for line in weir.log()), "the log does not say it")
    refused(weir, issuer.token())
    assert issuer.paths == ["/keys"]
