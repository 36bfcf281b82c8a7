"""What plugins' objects have beside their calls: what fits passes, what does not is named."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from toolkit import members
from toolkit.makers import maker_of


@pytest.mark.parametrize(
    ("member", "read", "good", "wrong", "told"),
    [
        ("fingerprint", members.identity, "abc", b"abc", "as its fingerprint, not a text"),
        ("fingerprint", members.identity, "abc", "", "has '' as its fingerprint"),
        ("networks", members.networks, {"a": torch.nn.ReLU()}, [], "as its networks, not modules"),
        ("networks", members.networks, {}, {"a": torch.ones(1)}, "as its networks"),
        ("skipped", members.skipped, [("a", "too small")], ["ab"], "`skipped` than pairs of name"),
        ("skipped", members.skipped, [], [("a", 1)], "`skipped` than pairs of name and reason"),
        ("files", members.files, {"a": Path("a")}, {"a": "a"}, "as its files, not paths by name"),
    ],
)
def test_members_that_fit_pass_and_others_are_told(part, refused, member, read, good, wrong, told):
    assert read(part(None, **{member: good})) == good
    with refused(told):
        read(part(None, **{member: wrong}))


def test_what_has_no_such_member_has_none_of_it():
    assert members.networks(SimpleNamespace()) == {}
    assert members.files(SimpleNamespace()) == {}
    assert members.frozen_bytes(SimpleNamespace(), None) is None


def test_what_no_registry_made_is_not_looked_at():
    assert members.identity(SimpleNamespace(fingerprint=1)) == 1


def test_a_length_that_cannot_be_told_is_its_fault(part, refused):
    class Lost:
        def __len__(self):
            raise OSError("no such folder")

    dataset = part(None, kind="dataset")
    dataset.__class__ = type("Lost", (type(dataset), Lost), {})
    with refused("failed with OSError: no such folder"):
        members.length(dataset)


def test_bytes_are_a_number(part, refused):
    assert members.frozen_bytes(part(None, frozen_bytes=lambda _images: 8), None) == 8
    with refused(r"returned 0.5 as frozen_bytes\(\), not a number of bytes"):
        members.frozen_bytes(part(None, frozen_bytes=lambda _images: 0.5), None)


@pytest.mark.parametrize("name", ["with_strength", "with_steps"])
def test_a_restorer_that_a_restorer_returns_has_its_maker(part, refused, name):
    made = part(None)
    restorer = part(None, kind="restorer", **{name: lambda _value: made})
    assert getattr(members, name)(restorer, 1) is made
    assert str(maker_of(made)) == "The restorer 'rough' of my-plugin"
    with refused(f"cannot be used: its `{name}` returned None"):
        getattr(members, name)(part(None, kind="restorer", **{name: lambda _value: None}), 1)


def test_a_model_card_is_a_text(part, refused):
    written = ("folder", "merged", "diffusers", "sd21")
    assert members.export(part(None, export=lambda *_: "# Card"), *written) == "# Card"
    with refused(r"returned None from export\(\), not a model card's text"):
        members.export(part(None, export=lambda *_: None), *written)


def test_a_state_that_is_not_restored_is_told_the_first_time(part, refused):
    generator = part(None, load_state=lambda _state: None)
    held = members.state(generator)
    members.load_state(part(None, load_state=lambda _state: None), held)  # nothing has changed
    with refused(r"did not restore 'weight' in load_state\(\)"):
        members.load_state(generator, {"weight": held["weight"] + 1})
