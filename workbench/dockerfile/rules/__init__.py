"""All rules: BuildKit's check rules in its own words, and ours, whose names begin with WB."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from workbench.dockerfile.document import Dockerfile
from workbench.dockerfile.lint import Finding, Rule, Severity
from workbench.dockerfile.rules import around, froms, image, lines, own, packages
from workbench.dockerfile.surroundings import Surroundings


def _rule(
    code: str,
    find: Callable[[Dockerfile], Iterable[Finding]],
    *,
    experimental: bool = False,
    severity: Severity = "warning",
) -> Rule:
    """One that the text alone decides."""

    def found(dockerfile: Dockerfile, surroundings: Surroundings) -> Iterable[Finding]:
        return find(dockerfile)

    return Rule(code, found, experimental, severity)


BUILDKIT_RULES = (
    _rule("ConsistentInstructionCasing", lines.instruction_casing),
    Rule("CopyIgnoredFile", around.ignored_sources),
    _rule("DuplicateStageName", froms.duplicate_names),
    _rule("ExposeInvalidFormat", image.port_mapping),
    _rule("ExposeProtoCasing", image.protocol_casing),
    _rule("FromAsCasing", froms.from_as_casing),
    _rule("FromPlatformFlagConstDisallowed", froms.constant_platform),
    Rule("InvalidBaseImagePlatform", around.base_platform),
    _rule("InvalidDefaultArgInFrom", froms.default_arg),
    _rule("InvalidDefinitionDescription", lines.definition, experimental=True),
    _rule("JSONArgsRecommended", image.json_args),
    _rule("LegacyKeyValueFormat", lines.legacy_pairs),
    _rule("MaintainerDeprecated", lines.maintainer),
    _rule("MultipleInstructionsDisallowed", image.repeated),
    _rule("NoEmptyContinuation", lines.empty_continuation),
    _rule("RedundantTargetPlatform", froms.redundant_platform),
    _rule("ReservedStageName", froms.reserved_names),
    _rule("SecretsUsedInArgOrEnv", image.secrets),
    _rule("StageNameCasing", froms.stage_name_casing),
    _rule("UndefinedArgInFrom", froms.undefined_in_from),
    Rule("UndefinedVar", around.undefined_variables),
    Rule("WorkdirRelativePath", around.relative_workdir),
)
"""Those of moby/buildkit `frontend/dockerfile/linter`."""

OWN_RULES = (
    _rule("WBAddLocalFile", own.added_file, severity="info"),
    _rule("WBApkCache", packages.apk_cache, severity="info"),
    _rule("WBAptCommand", packages.apt_command, severity="info"),
    _rule("WBAptLists", packages.apt_lists, severity="info"),
    _rule("WBAptSplit", packages.apt_split, severity="info"),
    _rule("WBAssumeYes", packages.assume_yes),
    _rule("WBLostDirectory", own.lost_directory, severity="info"),
    _rule("WBOutsideContext", own.outside_context),
    _rule("WBPipCache", packages.pip_cache, severity="info"),
)
"""Ours."""

RULES = (*BUILDKIT_RULES, *OWN_RULES)
