"""A request is validated once, and knows which options were used."""

import dataclasses
from pathlib import Path

import pytest

from workbench.build.engine import OPTIONS, refuse_unsupported
from workbench.build.request import BuildRequest, normalise_tag
from workbench.errors import Unsupported, UsageError


@pytest.mark.parametrize(
    ("tag", "whole"),
    [("genesis", "genesis:latest"), ("a/b:1.0", "a/b:1.0"), ("host:5000/a", "host:5000/a:latest"),
     ("localhost/a_b__c-d.e:T_a.g-1", "localhost/a_b__c-d.e:T_a.g-1"), ("Host.example:80/a:b", "Host.example:80/a:b")],
)  # fmt: skip
def test_a_tag_gets_latest(tag: str, whole: str) -> None:
    assert normalise_tag(tag) == whole
    assert BuildRequest(context=None, tags=(tag,)).tags == (whole,)


@pytest.mark.parametrize(
    "tag", ["", "Genesis", "a:", ":b", "a:b:c", "a b", "a/", "/a", "a@b", "a:" + "x" * 129, "-a", "ä"]
)
def test_what_is_no_name_is_refused(tag: str) -> None:
    with pytest.raises(UsageError, match="is not an image name"):
        BuildRequest(context=None, tags=(tag,))


def test_sizes_are_not_negative_and_contexts_absolute() -> None:
    with pytest.raises(UsageError, match="--shm-size must not be negative"):
        BuildRequest(context=None, shm_size=-1)
    with pytest.raises(ValueError, match="absolute"):
        BuildRequest(context=Path("here"))


def test_only_what_differs_from_the_default_is_used() -> None:
    assert BuildRequest(context=Path("/c"), dockerfile="other", rm=True, memory=None).options_used() == ()
    used = BuildRequest(context=None, rm=False, labels={"a": "b"}, memory=0, build_args={}).options_used()
    assert used == ("--label", "--rm", "--memory")


def test_a_refusal_names_option_and_engines() -> None:
    with pytest.raises(Unsupported, match="cannot honour --squash; engines that have it: docker") as refused:
        refuse_unsupported(BuildRequest(context=None, squash=True), "embedded")
    assert refused.value.engines == ("docker",) and refused.value.exit_code == 2
    refuse_unsupported(BuildRequest(context=None, squash=True), "docker")


def test_every_flag_of_the_table_is_a_field() -> None:
    flags = {spec.metadata["flag"] for spec in dataclasses.fields(BuildRequest) if "flag" in spec.metadata}
    for honoured in OPTIONS.values():
        assert honoured <= flags


def test_where_results_are_written_is_known() -> None:
    output = ("out", "type=tar,dest=image.tar", "type=image,name=a", "-", "type=oci,dest=-")
    request = BuildRequest(context=Path("/lab"), output=output, cache_to=("inline", "type=local,dest=/cache,mode=max"))
    assert request.written == (Path("out"), Path("image.tar"), Path("/cache"))
    assert BuildRequest(context=Path("/lab")).written == ()
