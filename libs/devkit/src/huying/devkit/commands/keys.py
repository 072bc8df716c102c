"""`huying keys`: secret, machine keys, signing keys, accounts. A token is shown once and never stored by the ring."""

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from .screen import Pack, fail, refusals, say_json

app = typer.Typer(help="密钥与账号 · secret, machine keys, accounts", no_args_is_help=True)
Ring = Annotated[
    Path | None, typer.Option("--keys", envvar="HUYING_KEYS", help="keys.json 的位置（默认 huying up 的 .run/up）")
]

LONGEST_NAME = 200
"""The console's page reads no more of what is typed there."""
LEAST_PASSWORD = 10
"""The console slows down who guesses there; who has carried away the ring guesses as fast as argon2 lets them."""


def _ring(given: Path | None) -> Path:
    """The running system's, which reads it again when it changes."""
    from ..stack import default_directory

    return given or default_directory() / "keys.json"


def _role(text: str, known: tuple[str, ...]) -> Any:
    if text not in known:
        fail(f"角色 {text!r} 不可用 · no such role here: choose one of {', '.join(known)}")
    return text


def _unit(role: str, unit: str | None, pack: Path | None) -> str | None:
    """A unit of the county. Who acts for a unit, or in the town of one, may do nothing without its code."""
    if not unit:
        if role in {"unit", "grid_worker"}:
            fail(
                f"角色 {role} 要写明单位 · role {role} needs --unit, a unit's code, e.g. --unit U02; a town's: --unit T01"
            )
        return None
    from huying.county import load

    from ..installation import default_pack

    chosen = pack or default_pack()
    with refusals():
        known = {one.code: one for one in load(chosen).units}
    if unit not in known:
        fail(f"{chosen} 里没有单位 {unit!r} · no such unit: its codes are in units.csv; another county: --pack DIR")
    if role == "grid_worker" and not known[unit].serves:
        fail(f"单位 {unit} 不是乡镇 · a grid worker's --unit is the one that serves their town, e.g. --unit T01")
    return unit


@app.command()
def secret() -> None:
    """打印一个新的 HUYING_SECRET。Print a new installation secret."""
    from ..installation import new_secret

    typer.echo(new_secret())


@app.command()
def create(
    key_id: Annotated[str, typer.Argument(help="名字，如 partner-weather")],
    role: Annotated[
        str, typer.Option(help="代表谁 · unit, dispatcher, leader, supervisor, grid_worker, system")
    ] = "system",
    unit: Annotated[str | None, typer.Option(help="代表的单位代码，如 U02；网格员填所在乡镇的单位")] = None,
    source: Annotated[list[str] | None, typer.Option(help="可代言的 CloudEvents source，可重复")] = None,
    jurisdiction: Annotated[str | None, typer.Option(help="行政区划代码")] = None,
    signing: Annotated[
        bool, typer.Option("--signing", help="同时生成 Ed25519 签名密钥（直接写 Kafka 的系统）")
    ] = False,
    keys: Ring = None,
    pack: Pack = None,
) -> None:
    """建一把机器密钥，令牌只显示这一次。Make a machine key; its token is shown once."""
    from huying.chassis.security import find_entry, write_entry
    from huying.contracts.commands import Role

    from ..installation import key_entry, signing_pair

    if not key_id or not all(letter.isascii() and (letter.isalnum() or letter in "-.") for letter in key_id):
        fail(f"名字 {key_id!r} 只能用英文字母、数字、- 和 . · use A to Z, digits, '-' and '.': it goes into a header")
    with refusals():
        known = find_entry(_ring(keys), key_id)
    if known and "argon2" in known:
        fail(f"{key_id!r} 是控制台账号，请换个名字 · that is an account: choose another name")
    entry, token = key_entry(
        key_id, _role(role, get_args(Role)), _unit(role, unit, pack), tuple(source or ()), jurisdiction
    )
    standing = "publisher" if role == "system" and source else role  # as every answer will call it
    shown: dict[str, Any] = {"id": key_id, "role": standing, "token": token}
    if signing:
        private, public = signing_pair()
        entry["public_key"], shown["private_key"] = public, private
    with refusals():
        write_entry(_ring(keys), entry)
    say_json(shown)


@app.command()
def account(
    name: Annotated[str, typer.Argument(help="登录名")],
    role: Annotated[str, typer.Option(help="身份 · dispatcher, leader, supervisor, unit, grid_worker")] = "dispatcher",
    unit: Annotated[str | None, typer.Option(help="所属单位代码；网格员填所在乡镇的单位")] = None,
    password: Annotated[
        str | None, typer.Option(envvar="HUYING_PASSWORD", help=f"不给则生成；至少 {LEAST_PASSWORD} 个字符")
    ] = None,
    keys: Ring = None,
    pack: Pack = None,
) -> None:
    """建一个控制台账号。Make an account for the console."""
    import secrets

    from huying.chassis.security import find_entry, write_entry
    from huying.contracts.commands import STAFF

    from ..installation import PASSWORD_BYTES, account_entry

    if not name.isprintable() or name != name.strip() or not 1 <= len(name) <= LONGEST_NAME:
        fail(
            f"登录名 {name!r} 不可用 · no name that can be typed at the console: 1 to {LONGEST_NAME} characters, "
            "without a space before or after"
        )
    with refusals():
        known = find_entry(_ring(keys), name)
    if known and "argon2" not in known:
        fail(f"{name!r} 是机器密钥，请换个名字 · that is a machine key: choose another name")
    if password and len(password) < LEAST_PASSWORD:
        fail(f"密码太短 · a password has at least {LEAST_PASSWORD} characters; without one a good one is made")
    chosen = password or secrets.token_urlsafe(PASSWORD_BYTES)
    owner = account_entry(name, chosen, _role(role, STAFF), _unit(role, unit, pack))
    owner |= {"sha256": known["sha256"]} if known and "sha256" in known else {}  # a new password is no new key
    with refusals():
        write_entry(_ring(keys), owner)
    shown = {"name": name, "role": role}
    say_json(shown if password else {**shown, "password": chosen})


@app.command()
def remove(key_id: Annotated[str, typer.Argument(help="密钥或账号的名字")], keys: Ring = None) -> None:
    """收回一把密钥或一个账号，立即生效。Take back a key or an account, at once."""
    from huying.chassis.security import remove_entry

    ring = _ring(keys)
    with refusals():
        removed = remove_entry(ring, key_id)
    if not removed:
        fail(f"{str(ring)!r} 里没有 {key_id!r} · no such key or account")
    typer.echo(f"已收回 {key_id} · removed", err=True)
