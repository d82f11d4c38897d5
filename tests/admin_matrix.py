"""Who may do what on the control plane, written down apart from weir/admin/routes.inc and permission.h: a change of either
must be made here too, on purpose.

Each row: method, pattern, the roles that may (of a tenant of their own), and what a request that does no harm is answered
with where it may: a route of one object is asked about `own`, an object of the caller's tenant, and `other`, another's."""

import dataclasses

ROLES = ("owner", "admin", "operator", "developer", "service", "viewer", "auditor", "billing")
EVERYBODY = set(ROLES)
NOBODY = set()
ADMINS = {"owner", "admin"}
SEEING = {"owner", "admin", "operator", "viewer", "auditor"}
PEOPLE = SEEING | {"billing"}
KEYS = {"owner", "admin", "operator", "developer", "auditor"}
MAKERS = ADMINS | {"developer"}


@dataclasses.dataclass(frozen=True)
class Row:
    method: str
    pattern: str
    roles: frozenset  # of any tenant
    first: frozenset  # of the first tenant besides: the routes of the whole installation
    good: int  # the answer to somebody who may, about nothing or an own object
    body: object = None
    kind: str = ""  # of the object that {id} stands for; "none": one that is not there
    public: bool = False
    query: str = ""


def row(method, pattern, roles, good=200, body=None, kind="", first=NOBODY, public=False, query=""):
    return Row(method, pattern, frozenset(roles), frozenset(first), good, body, kind, public, query)


MATRIX = [
    row("GET", "/admin/v1/me", EVERYBODY),
    row("GET", "/admin/v1/tenants", PEOPLE),
    row("POST", "/admin/v1/tenants", NOBODY, 400, {}, first=ADMINS),
    row("GET", "/admin/v1/tenants/{id}", PEOPLE, kind="tenant"),
    row("PATCH", "/admin/v1/tenants/{id}", NOBODY, 400, {"nonsense": 1}, kind="tenant", first=ADMINS | {"billing"}),
    row("DELETE", "/admin/v1/tenants/{id}", NOBODY, 404, kind="none", first=ADMINS),
    row("GET", "/admin/v1/teams", PEOPLE),
    row("POST", "/admin/v1/teams", ADMINS, 400, {}),
    row("GET", "/admin/v1/teams/{id}", PEOPLE, kind="team"),
    row("PATCH", "/admin/v1/teams/{id}", ADMINS | {"billing"}, 400, {"nonsense": 1}, kind="team"),
    row("DELETE", "/admin/v1/teams/{id}", ADMINS, 404, kind="none"),
    row("GET", "/admin/v1/users", PEOPLE),
    row("POST", "/admin/v1/users", ADMINS, 400, {}),
    row("GET", "/admin/v1/users/{id}", PEOPLE, kind="user"),
    row("PATCH", "/admin/v1/users/{id}", ADMINS | {"billing"}, 400, {"nonsense": 1}, kind="user"),
    row("DELETE", "/admin/v1/users/{id}", ADMINS, 404, kind="none"),
    row("GET", "/admin/v1/keys", KEYS),
    row("POST", "/admin/v1/keys", MAKERS, 400, {}),
    row("GET", "/admin/v1/keys/{id}", KEYS, kind="key"),
    row("PATCH", "/admin/v1/keys/{id}", MAKERS | {"billing"}, 400, {"nonsense": 1}, kind="key"),
    row("DELETE", "/admin/v1/keys/{id}", MAKERS, 404, kind="none"),
    row("POST", "/admin/v1/keys/{id}/rotate", MAKERS, 404, {}, kind="none"),
    row("POST", "/admin/v1/keys/{id}/revoke", MAKERS, 404, {}, kind="none"),
    row("GET", "/admin/v1/audit", ADMINS | {"auditor"}),
    row("GET", "/console", EVERYBODY, 308, public=True),
    row("GET", "/console/*", EVERYBODY, public=True),
    row("GET", "/admin/v1/overview", SEEING | {"developer"}),
    row("GET", "/admin/v1/models", SEEING | {"developer"}),
    row("GET", "/admin/v1/models/heat", SEEING | {"developer"}),
    row("GET", "/admin/v1/requests", SEEING | {"developer"}),
    row("GET", "/admin/v1/requests/{id}", SEEING | {"developer"}, 404, kind="none"),
    row("GET", "/admin/v1/live", SEEING | {"developer"}, query="?events=1"),
    row("GET", "/admin/v1/config", NOBODY, first=ADMINS | {"operator", "auditor"}),
    row("POST", "/admin/v1/config/check", ADMINS | {"operator"}, 400, {}),
    row("GET", "/admin/v1/alerts", SEEING | {"developer"}),
    row("GET", "/admin/v1/sla", SEEING | {"developer"}),
    row("GET", "/admin/v1/budgets", EVERYBODY - {"service"}),
    row("GET", "/admin/v1/usage", EVERYBODY - {"service"}),
]
