"""The schemas of function.json, tables.json and environment.json. They are strict: an unknown key is an error."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")]
AttributeType = Literal["S", "N", "B"]
Auth = Literal["public", "api-key", "bearer", "key"]  # key: the function itself checks it, at the streaming door
DynamoAction = Literal[
    "BatchGetItem",
    "BatchWriteItem",
    "ConditionCheckItem",
    "DeleteItem",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "UpdateItem",
]
# The API that a request comes in by: the HTTP API, or the REST API that streams answers.
Door = Literal["http", "stream"]
# The longest timeout of a function behind each door: an HTTP API gives up after 30 seconds, a stream ends after 900.
DOOR_SECONDS: dict[Door, int] = {"http": 29, "stream": 900}
_PLACEHOLDERS = ("{partition}", "{region}", "{account}", "{prefix}")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Index(_Strict):
    """A global secondary index. `key`: partition key, then optional sort key. If it projects only keys, a write that
    changes no key costs the index nothing."""

    key: Annotated[dict[str, AttributeType], Field(min_length=1, max_length=2)]
    projection: Literal["ALL", "KEYS_ONLY"] = "ALL"


class Table(_Strict):
    """A table of shared/tables.json. `stream` and `ttl` (the name of an attribute) are off unless they are given."""

    description: str
    key: Annotated[dict[str, AttributeType], Field(min_length=1, max_length=2)]
    indexes: dict[Name, Index] = {}
    stream: Literal["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"] | None = None
    ttl: str | None = None


class Cors(_Strict):
    """shared/cors.json: the headers that a browser may send (lower case) or show a page, and for how many seconds."""

    allow_headers: list[str]
    expose_headers: list[str]
    max_age: Annotated[int, Field(ge=0, le=86_400)]


class Variable(_Strict):
    """An environment variable that deployments know. With `everywhere`, every function gets it."""

    description: str
    everywhere: bool = False


class Grant(_Strict):
    """Rights beyond tables and secrets. Resources are ARNs with {partition}, {region}, {account}, {prefix}."""

    actions: Annotated[list[Annotated[str, Field(pattern=r"^[a-z0-9-]+:[A-Za-z]+$")]], Field(min_length=1)]
    resources: Annotated[list[str], Field(min_length=1)]
    reason: Annotated[str, Field(min_length=10)]

    @field_validator("resources")
    @classmethod
    def _arns(cls, resources: list[str]) -> list[str]:
        for resource in resources:
            bare = resource
            for placeholder in _PLACEHOLDERS:
                bare = bare.replace(placeholder, "")
            if not resource.startswith("arn:{partition}:") or "{" in bare or "}" in bare:
                raise ValueError(f"{resource} must be an ARN 'arn:{{partition}}:...' with {', '.join(_PLACEHOLDERS)}")
        return resources


# A role's actions on models of a provider that accepts its signature. AWS authorises Converse as InvokeModel.
ModelAction = Literal["CountTokens", "InvokeModel", "InvokeModelWithResponseStream"]
# The actions that take only a model's own id: CountTokens does not accept an inference profile.
BY_OWN_ID: frozenset[ModelAction] = frozenset(("CountTokens",))


class Authorizer(_Strict):
    """Marks the function as the API's authorizer. Its answers are cached for `ttl` seconds."""

    ttl: Annotated[int, Field(ge=0, le=3600)]


class Event(_Strict):
    """What starts a function, apart from routes: a table's stream, or an EventBridge schedule."""

    stream: str | None = None
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 100
    batch_window: Annotated[int, Field(ge=0, le=300)] = 0
    filter: list[dict[str, Any]] = []
    schedule: (
        Annotated[str, Field(pattern=r"^(rate\(\d+ (minute|minutes|hour|hours|day|days)\)|cron\([^)]+\))$")] | None
    ) = None

    @model_validator(mode="after")
    def _one(self) -> Event:
        if (self.stream is None) == (self.schedule is None):
            raise ValueError("must have either stream or schedule")
        return self


# Rights on a table: either actions on all of it, or for each action the partitions that it may touch, by their keys
# or key prefixes ("idempotency#*"). A partition's name must be written in full: no shorter prefix is allowed, except
# for months, which share one ("20*").
LeadingKey = Annotated[str, Field(pattern=r"^([a-z][a-z-]*(#\*)?|20\*)$")]
_Whole = Annotated[list[DynamoAction], Field(min_length=1), Tag("[whole]")]
_Parts = Annotated[
    dict[DynamoAction, Annotated[list[LeadingKey], Field(min_length=1)]], Field(min_length=1), Tag("[parts]")
]


def _form(value: Any) -> str:
    return "[parts]" if isinstance(value, dict) else "[whole]"


# The auth of each door. An authorizer checks the key in one of two headers; at the streaming door, the function does.
_CHECKED: dict[Door, tuple[Auth, ...]] = {"http": ("public", "api-key", "bearer"), "stream": ("public", "key")}
_STARTED: dict[Door, str] = {"http": "a function by its dotted path", "stream": "functions/<name>/run.sh"}


class Function(_Strict):
    """A function.json. Only description, handler, memory and timeout (seconds) are required."""

    description: Annotated[str, Field(min_length=10, max_length=256)]
    handler: Annotated[str, Field(pattern=r"^functions((\.[a-z_][a-z0-9_]*){2,}|/[a-z_][a-z0-9_]*/run\.sh)$")]
    memory: Annotated[int, Field(ge=128, le=10_240, strict=True)]
    timeout: Annotated[int, Field(ge=1, le=900, strict=True)]
    name: Name | None = None
    routes: dict[
        Annotated[str, Field(pattern=r"^(GET|HEAD|POST|PUT|PATCH|DELETE) (/|(/([A-Za-z0-9._-]+|\{[a-z_]+\+?\}))+)$")],
        Auth,
    ] = {}
    door: Door = "http"
    authorizer: Authorizer | None = None
    tables: dict[str, Annotated[_Whole | _Parts, Discriminator(_form)]] = {}
    actions: list[Grant] = []
    models: dict[Name, Annotated[list[ModelAction], Field(min_length=1)]] = {}
    secrets: list[Name] = []
    environment: list[str] = []
    event: Event | None = None

    @model_validator(mode="after")
    def _by_its_door(self) -> Function:
        if self.routes and self.timeout > (most := DOOR_SECONDS[self.door]):
            raise ValueError(f"timeout: {self.timeout} s, but the door {self.door} waits {most} s")
        if self.door == "stream" and not self.routes:
            raise ValueError("door: stream, but there are no routes")
        for route, auth in self.routes.items():
            if auth not in _CHECKED[self.door]:
                raise ValueError(
                    f"routes.{route}: {auth}, but the door {self.door} has {', '.join(_CHECKED[self.door])}"
                )
        if (self.door == "stream") != self.handler.endswith("/run.sh"):
            raise ValueError(f"handler: {self.handler}, but the door {self.door} starts {_STARTED[self.door]}")
        if self.door == "stream" and (self.event or self.authorizer):
            raise ValueError("door: a server takes only requests, neither events nor an authorizer's")
        return self


class Adapter(_Strict):
    """shared/adapter.json: the Lambda Web Adapter, which sits between Lambda and a server on a port. A function behind
    it gets the variables `environment` in addition to its own. `layers` has the layer's name by architecture,
    `accounts` the publishing account by partition."""

    environment: dict[str, str]
    layers: dict[str, str]
    accounts: dict[str, Annotated[str, Field(pattern=r"^\d{12}$")]]
    version: Annotated[int, Field(ge=30)]


class Manifest(_Strict):
    """Everything that a deployment is made from, by symbolic name."""

    functions: dict[str, Function]
    tables: dict[str, Table]
    environment: dict[str, Variable]
    cors: Cors
    adapter: Adapter

    @property
    def authorizer(self) -> str:
        """The name of the function that is the authorizer."""
        return next(name for name, function in self.functions.items() if function.authorizer)

    @property
    def streaming(self) -> str | None:
        """The name of the function behind the streaming door, if there is one."""
        return next((name for name, function in self.functions.items() if function.door == "stream"), None)

    def methods(self) -> list[str]:
        """The HTTP methods of the HTTP API's routes."""
        return sorted({route.split(" ")[0] for route in self.routes()})

    def routes(self, door: Door = "http") -> dict[str, tuple[str, Auth]]:
        """A door's routes: route key -> function and kind of authorization."""
        return {
            route: (name, auth)
            for name, function in self.functions.items()
            for route, auth in function.routes.items()
            if function.door == door
        }
