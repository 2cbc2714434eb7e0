"""`workbench.dataclass` against the standard library's: the same classes, made by both, behave the same."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import field
from typing import TYPE_CHECKING, Any

import pytest

from workbench.dataclass import dataclass as ours

if TYPE_CHECKING:
    from collections.abc import Callable

theirs = dataclasses.dataclass


@ours(frozen=True, slots=True)
class Layer:
    """Frozen, with a default, a list of its own, and a field that is neither compared nor shown."""

    digest: str
    size: int = 0
    names: list[str] = field(default_factory=list, hash=False)
    taken: object = field(default=None, compare=False, repr=False)


@pytest.fixture(params=[ours, theirs], ids=["ours", "the standard library's"])
def dataclass(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Either of the two: what a test says holds for both."""
    made: Callable[..., Any] = request.param
    return made


def _layer(dataclass: Callable[..., Any], **options: bool) -> Any:
    @dataclass(**options)
    class Layer:
        digest: str
        size: int = 0
        names: list[str] = field(default_factory=list, hash=False)
        taken: object = field(default=None, compare=False, repr=False)

    return Layer


@pytest.mark.parametrize("slots", [True, False])
@pytest.mark.parametrize("frozen", [True, False])
def test_instances(dataclass: Callable[..., Any], frozen: bool, slots: bool) -> None:
    layer = _layer(dataclass, frozen=frozen, slots=slots)
    one = layer("a", 3, taken=object())
    assert (one.digest, one.size, one.names) == ("a", 3, [])
    assert one == layer(digest="a", size=3)
    assert one != layer("a", 4)
    assert one != ("a", 3)
    assert one.names is not layer("b").names
    assert repr(one).endswith("Layer(digest='a', size=3, names=[])")
    assert dataclasses.replace(one, size=5) == layer("a", 5)
    assert dataclasses.asdict(layer("a")) == {"digest": "a", "size": 0, "names": [], "taken": None}
    assert copy.copy(one) == one
    assert copy.deepcopy(one) == one
    assert layer.__match_args__ == ("digest", "size", "names", "taken")
    assert hasattr(one, "__dict__") is not slots


def test_arguments_that_are_wrong(dataclass: Callable[..., Any]) -> None:
    layer = _layer(dataclass)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'digest'"):
        layer()
    with pytest.raises(TypeError, match="unexpected keyword argument 'sizes'"):
        layer("a", sizes=3)


def test_frozen_is_frozen_and_hashed(dataclass: Callable[..., Any]) -> None:
    layer = _layer(dataclass, frozen=True, slots=True)
    one = layer("a", 3)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'size'"):
        one.size = 4
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'size'"):
        del one.size
    assert hash(one) == hash(layer("a", 3, ["not hashed"], "nor this"))
    assert {one: 1}[layer("a", 3)] == 1


def test_what_can_change_has_no_hash(dataclass: Callable[..., Any]) -> None:
    one = _layer(dataclass)("a")
    one.size = 4
    assert one.size == 4
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


def test_by_identity(dataclass: Callable[..., Any]) -> None:
    @dataclass(eq=False, slots=True)
    class Step:
        number: int

    assert Step(1) != Step(1)
    assert len({Step(1), Step(1)}) == 2


def test_by_name_only_and_inherited(dataclass: Callable[..., Any]) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Event:
        at: float = 0.0

    @dataclass(frozen=True, slots=True)
    class Started(Event):
        step: int
        of: int = 1

    assert Started(3, at=2.0) == Started(step=3, of=1, at=2.0)
    assert Started(3) != Event()
    with pytest.raises(TypeError):
        Event(1.0)
    assert Event() == Event()
    assert repr(Started(3)).endswith("Started(at=0.0, step=3, of=1)")


def test_after_init_and_not_in_init(dataclass: Callable[..., Any]) -> None:
    @dataclass(slots=True)
    class Count:
        items: list[int]
        total: int = field(init=False, default=0)
        seen: dict[int, int] = field(init=False, default_factory=dict)
        later: int = field(init=False)

        def __post_init__(self) -> None:
            self.total += sum(self.items)

    count = Count([1, 2])
    assert (count.total, count.seen) == (3, {})
    assert not hasattr(count, "later")
    with pytest.raises(TypeError):
        Count([1], total=2)


def test_methods_of_its_own_stay(dataclass: Callable[..., Any]) -> None:
    @dataclass(frozen=True, slots=True)
    class Name:
        text: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Name) and self.text.lower() == other.text.lower()

        def __hash__(self) -> int:
            return hash(self.text.lower())

        def __repr__(self) -> str:
            return self.text

    @dataclass(frozen=True)
    class Same:
        text: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Same)

    assert Name("A") == Name("a")
    assert len({Name("A"), Name("a")}) == 1
    assert repr(Name("A")) == "A"
    assert Same("a") == Same("b")
    assert hash(Same("a")) == hash(Same("a"))


def test_nothing_in_it_and_itself_in_it(dataclass: Callable[..., Any]) -> None:
    @dataclass(frozen=True, slots=True)
    class Nothing:
        pass

    @dataclass(slots=True)
    class Node:
        children: list[Any]

    node = Node([])
    node.children.append(node)
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())
    assert repr(node).endswith("Node(children=[...])")


def test_pickled() -> None:
    assert pickle.loads(pickle.dumps(Layer("a", 3, ["x"]))) == Layer("a", 3, ["x"])


def test_compiled_once_a_few_were_made() -> None:
    layer = _layer(ours)
    before = layer.__init__
    made = [layer("a")]
    assert layer.__init__ is before
    made += [layer("a") for _ in range(5)]
    compiled = layer.__init__
    made.append(layer("a"))
    assert before is not compiled
    assert layer.__init__ is compiled
    assert made == [layer("a")] * 7


@pytest.mark.parametrize("made_before", [0, 10])
@pytest.mark.parametrize(
    ("args", "kwargs"), [((), {}), (("a", 1, [], None, 5), {}), (("a",), {"digest": "a"}), (("a",), {"more": 1})]
)
def test_arguments_that_do_not_fit(args: tuple[Any, ...], kwargs: dict[str, Any], made_before: int) -> None:
    layer = _layer(ours, frozen=True, slots=True)
    for _ in range(made_before):
        layer("a")
    with pytest.raises(TypeError):
        layer(*args, **kwargs)
    assert layer("a", names=["b"]) == layer(digest="a", size=0, names=["b"])
