"""Master keys, personal keys, and what is encrypted under them; no database."""

import base64
from pathlib import Path
from uuid import uuid4

import pytest

from infrastructure.privacy.keyring import binding, make_key, unwrap
from infrastructure.privacy.master import (
    MasterKey,
    MasterKeyMustBeGiven,
    MasterKeyMustBeWellFormed,
    MasterKeys,
    UnwrappingFailed,
    new_secret,
    write_master_keys,
)
from infrastructure.privacy.personal import (
    Identity,
    PersonalDataMustBeReadable,
    PersonalKey,
    place_of_origin,
    place_of_user,
)
from infrastructure.settings import SettingIsWrong, Settings

IDENTITY = Identity(email="a@example.com", full_name="A", password_hash="x")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "zzz",
        "not base64 at all!",
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(33)).decode(),
    ],
)
def test_what_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(MasterKeyMustBeWellFormed) as refused:
        MasterKeys(text=text)
    assert not text.strip() or text not in refused.value.operator_message


def test_without_a_key_it_is_said_how_to_make_one() -> None:
    with pytest.raises(MasterKeyMustBeGiven, match=r"DAYBOOK_MASTER_KEY_FILE.*daybook keys create"):
        MasterKeys.of(Settings())
    with pytest.raises(SettingIsWrong, match="not both"):
        Settings.from_environment({"DAYBOOK_MASTER_KEY": new_secret(), "DAYBOOK_MASTER_KEY_FILE": "x"})
    with pytest.raises(MasterKeyMustBeWellFormed, match="cannot be read: No such file"):
        MasterKeys.of(Settings(master_key_file=Path("/nowhere/at/all")))


def test_of_several_keys_the_first_wraps_and_all_unwrap() -> None:
    old, new = new_secret(), new_secret()
    owner = uuid4()
    wrapped = make_key(MasterKeys(text=old).current(), owner).row[2]

    both = MasterKeys(text=f"{new},{old}")

    assert both.current().id == MasterKeys(text=new).current().id
    assert unwrap(both, owner, "user", wrapped, MasterKeys(text=old).current().id)
    with pytest.raises(PersonalDataMustBeReadable):
        unwrap(MasterKeys(text=new), owner, "user", wrapped, MasterKeys(text=old).current().id)


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    file, old, new = tmp_path / "key", new_secret(), new_secret()
    write_master_keys(file, [old])
    masters = MasterKeys(file=file)
    before = masters.current().id

    write_master_keys(file, [new, old])

    assert masters.current().id == MasterKeys(text=new).current().id
    assert masters.named(before) is not None
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_becomes_unusable_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "key"
    write_master_keys(file, [new_secret()])
    masters = MasterKeys(file=file)
    before = masters.current().id

    file.write_text("rubbish")
    assert masters.current().id == before
    file.unlink()
    assert masters.current().id == before


def test_a_wrapped_key_is_of_no_use_in_another_row() -> None:
    master, mine, yours = MasterKey(bytes(32)), uuid4(), uuid4()
    wrapped = master.wrap(bytes(32), owner=binding(mine, "user"))

    assert master.unwrap(wrapped, owner=binding(mine, "user")) == bytes(32)
    for owner in (binding(yours, "user"), binding(mine, "visitors")):
        with pytest.raises(UnwrappingFailed):
            master.unwrap(wrapped, owner=owner)
    for broken in (b"", wrapped[:-1], bytes([wrapped[0] ^ 1]) + wrapped[1:]):
        with pytest.raises(UnwrappingFailed):
            master.unwrap(broken, owner=binding(mine, "user"))


def test_what_is_encrypted_is_read_in_its_place_and_under_its_key_only() -> None:
    key, mine, yours = PersonalKey(bytes(32)), uuid4(), uuid4()
    encrypted = key.encrypt(IDENTITY, place=place_of_user(mine))

    assert key.decrypt(encrypted, Identity, place=place_of_user(mine)) == IDENTITY
    for wrong in (place_of_user(yours), place_of_origin(mine)):
        with pytest.raises(PersonalDataMustBeReadable):
            key.decrypt(encrypted, Identity, place=wrong)
    with pytest.raises(PersonalDataMustBeReadable):
        PersonalKey(bytes(31) + b"\1").decrypt(encrypted, Identity, place=place_of_user(mine))
    for broken in (b"", b"\2" + encrypted[1:], encrypted[:-1], encrypted[:-1] + bytes([encrypted[-1] ^ 1])):
        with pytest.raises(PersonalDataMustBeReadable):
            key.decrypt(broken, Identity, place=place_of_user(mine))


def test_the_same_is_encrypted_to_something_else_each_time_and_found_by_a_hash_that_needs_the_key() -> None:
    key, other, place = PersonalKey(bytes(32)), PersonalKey(bytes(31) + b"\1"), place_of_user(uuid4())

    assert key.encrypt(IDENTITY, place=place) != key.encrypt(IDENTITY, place=place)
    assert key.blind("10.0.0.1") == key.blind("10.0.0.1") != other.blind("10.0.0.1")
    assert key.fingerprint != other.fingerprint
