"""Who made an object, and what is let in."""

import errno
import gc
import sys

import pytest

from toolkit.component import KINDS, Component
from toolkit.errors import ComponentError, DataError, ToolkitError
from toolkit.interfaces import Dataset, Discriminator, Metric
from toolkit.makers import Maker, admit, border, maker_of, members
from toolkit.registry import Registry
from toolkit.specs import Selection


class Loss:
    """As little as a loss may have."""

    def __call__(self, prediction, target):
        return (prediction - target).flatten(1).mean(1)

    def to(self, device):
        pass


def made_by(build, kind="loss"):
    """What the registry makes of a component of this build."""
    registry = Registry()
    registry.add("my-plugin", [Component(kind=kind, name="rough", summary="", build=build)])
    return registry.make(kind, Selection(use="rough"))


def raising(error):
    def build(_options, _context):
        raise error

    return build


def test_what_fits_is_handed_over_as_it_is():
    loss = Loss()
    assert made_by(lambda *_: loss) is loss
    assert str(maker_of(loss)) == "The loss 'rough' of my-plugin"
    assert maker_of(Loss()) is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("out of order"), "failed with ValueError: out of order"),
        (KeyError(), "failed with KeyError"),
        (PermissionError(13, "Permission denied", "x.pth"), "PermissionError: .*'x.pth'"),
        (ImportError("libGL.so.1"), "failed with ImportError: libGL.so.1"),
        (SystemExit(3), "failed with SystemExit: 3"),
        (
            ModuleNotFoundError("No module named 'toolkit.lost'", name="toolkit.lost"),
            "toolkit.lost",
        ),
    ],
)
def test_a_build_that_raises_is_named_with_its_distribution(error, told):
    with pytest.raises(ComponentError, match=rf"^The loss 'rough' of my-plugin .*{told}") as caught:
        made_by(raising(error))
    assert caught.value.__cause__ is error
    assert "bug in my-plugin" in caught.value.hint
    assert "toolkit plugins list --kind loss" in caught.value.hint


@pytest.mark.parametrize(
    "error", [DataError("No such folder."), KeyboardInterrupt(), MemoryError()]
)
def test_what_is_said_already_passes(error):
    with pytest.raises(type(error)) as caught:
        made_by(raising(error))
    assert caught.value is error


def test_a_library_that_is_not_installed_is_named():
    def build(_options, _context):
        import no_such_library.part  # noqa: F401

    named = "The loss 'rough' needs no_such_library, which is not installed."
    with pytest.raises(ToolkitError, match=named) as caught:
        made_by(build)
    assert caught.value.hint == "Install what my-plugin needs: pip install no_such_library"


@pytest.mark.parametrize("kind", KINDS)
def test_none_is_an_object_of_no_kind(kind):
    with pytest.raises(ComponentError, match="returned None; did it forget to return"):
        made_by(lambda *_: None, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_without_the_members_of_its_kind_is_refused(kind):
    with pytest.raises(
        ComponentError, match=rf"The {kind} 'rough' .* an object of type object"
    ) as told:
        made_by(lambda *_: object(), kind)
    assert "lacks " in str(told.value)


def test_what_is_lacking_is_named():
    told = r"an object of type function, which lacks to of toolkit.interfaces.PerceptualLoss"
    with pytest.raises(ComponentError, match=told):
        made_by(lambda *_: lambda prediction, target: prediction)


class Judge:
    shared_draws = False
    judges = "latent"
    trainable = state = load_state = to = logits = observe = None


class Figure:
    needs_reference, fingerprint, direction = True, {}, "up"
    __call__ = None


@pytest.mark.parametrize(
    ("made", "kind", "told"),
    [
        (Judge(), "discriminator", "'judges' is 'latent', not 'latents' or 'images' or 'nothing'"),
        (Figure(), "metric", "'direction' is 'up', not 'higher' or 'lower'"),
    ],
)
def test_a_member_that_says_what_it_may_not_is_told(made, kind, told):
    with pytest.raises(ComponentError, match=told):
        made_by(lambda *_: made, kind)


def test_a_property_is_not_asked_whether_it_is_there():
    class Heavy(Loss):
        @property
        def to(self):
            raise AssertionError("it would have to load something")

    assert made_by(lambda *_: Heavy())


def test_members_handed_through_count():
    class Wrapper:
        def __init__(self, inner):
            self.inner = inner

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def __call__(self, *images):
            return self.inner(*images)

    assert made_by(lambda *_: Wrapper(Loss()))


def test_members_are_those_of_the_interface_and_of_what_it_extends():
    assert set(members(Dataset)) == {"name", "skipped", "__len__", "__getitem__"}
    assert set(members(Metric)) == {"direction", "needs_reference", "fingerprint", "__call__"}
    assert {"judges", "logits", "trainable", "load_state", "to"} <= set(members(Discriminator))


def test_a_maker_is_forgotten_with_its_object():
    loss = made_by(lambda *_: Loss())
    key = id(loss)
    from toolkit import makers

    assert key in makers._MAKERS
    del loss
    gc.collect()
    assert key not in makers._MAKERS


def test_what_takes_no_weak_reference_has_a_maker_too():
    class Slim(Loss):
        __slots__ = ()

    class Slimmer:
        __slots__ = ()
        __call__, to = Loss.__call__, Loss.to

    for kind in (Slim, Slimmer):
        assert maker_of(made_by(lambda *_, kind=kind: kind()))


def test_an_object_of_two_components_is_the_outer_ones():
    loss = made_by(lambda *_: Loss())
    admit(loss, Maker("loss", "outer", "another-plugin"))
    assert str(maker_of(loss)) == "The loss 'outer' of another-plugin"


def test_what_an_object_raises_is_told_as_its_own():
    loss, lost = made_by(lambda *_: Loss()), ZeroDivisionError("division by zero")
    named = "'rough' of my-plugin failed with ZeroDiv"
    with pytest.raises(ComponentError, match=named) as told, border(loss):
        raise lost
    assert told.value.__cause__ is lost
    full = OSError(errno.ENOSPC, "No space left on device")
    for passing in (DataError("no"), MemoryError(), RuntimeError("CUDA out of memory"), full):
        with pytest.raises(type(passing)) as caught, border(loss):
            raise passing
        assert caught.value is passing
    with pytest.raises(ZeroDivisionError), border(Loss()):
        raise lost


def test_what_a_build_prints_is_no_result(capsys):
    def build(_options, _context):
        print("Loading the model …")
        return Loss()

    made_by(build)
    assert capsys.readouterr() == ("", "Loading the model …\n")
    assert sys.stdout is not sys.stderr


def test_a_class_is_no_object_of_it():
    with pytest.raises(ComponentError, match="returned the class Loss, not an object of it"):
        made_by(lambda *_: Loss)


class Enlarging:
    """As little as a restorer may have."""

    name, scale = "enlarging", 4

    def __call__(self, lr):
        return lr

    def to(self, device):
        pass


@pytest.mark.parametrize(
    ("member", "value", "told"),
    [
        ("scale", "4", "its 'scale' is '4', not a number from 1"),
        ("scale", 0, "its 'scale' is 0, not a number from 1"),
        ("scale", 4.0, "its 'scale' is 4.0, not a number from 1"),
        ("name", None, "its 'name' is None, not a text"),
    ],
)
def test_members_that_the_core_calculates_with_have_their_type(member, value, told):
    wrong = type("Wrong", (Enlarging,), {member: value})
    with pytest.raises(ComponentError, match=f"'rough' of my-plugin cannot be used: {told}"):
        made_by(lambda *_: wrong(), "restorer")


def test_a_member_that_raises_is_told():
    wrong = type("Wrong", (Enlarging,), {"scale": property(lambda _self: 1 / 0)})
    with pytest.raises(ComponentError, match="of my-plugin failed with ZeroDivisionError"):
        made_by(lambda *_: wrong(), "restorer")


def test_an_error_is_that_of_the_innermost_component():
    class Inner(Loss):
        def __call__(self, prediction, target):
            raise ValueError("out of order")

    class Outer(Loss):
        def __call__(self, prediction, target):
            return inner(prediction, target)

    registry = Registry()
    builds = {"inner": lambda *_: Inner(), "outer": lambda *_: Outer()}
    for name, build in builds.items():
        registry.add(f"{name}-plugin", [Component(kind="loss", name=name, summary="", build=build)])
    inner, outer = (registry.make("loss", Selection(use=name)) for name in builds)
    told = (
        "The loss 'inner' of inner-plugin failed with ValueError: out of order, called by the loss "
        "'outer' of outer-plugin"
    )
    with pytest.raises(ComponentError, match=told), border(outer):
        outer(None, None)
