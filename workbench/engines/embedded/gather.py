"""What a COPY or ADD takes: sources of the context, of stages, images and named contexts, documents, downloads and
git repositories; and whom it gives them to.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from workbench.dockerfile import instructions as docker
from workbench.dockerfile.modes import ModeChange, parse_mode
from workbench.engines.embedded import copy
from workbench.engines.embedded.context_tree import ContextTree
from workbench.engines.embedded.layer_tar import TarEntry
from workbench.engines.embedded.messages import StepFailed, source_missing
from workbench.engines.embedded.trees import MemoryItem, MemoryTree, Tree
from workbench.engines.embedded.view import ImageView
from workbench.errors import InputError

if TYPE_CHECKING:
    from workbench.context.git import GitSource
    from workbench.engines.embedded.tools import Tools


_CHOWN = "unable to convert uid/gid chown string to host mapping"


class Gather:
    """For one instruction. `view` gives the image so far and is asked only where that is needed; `find` gives the
    files that `--from` names."""

    def __init__(self, tools: Tools, view: Callable[[], ImageView], find: Callable[[str], Tree]) -> None:
        self._tools = tools
        self._view = view
        self._find = find

    def sources(self, it: docker.Copy | docker.Add) -> list[copy.Source]:
        """Every source, in order. Raises StepFailed, InputError."""
        found: list[copy.Source] = []
        tree = self._find(it.from_) if isinstance(it, docker.Copy) and it.from_ else self._tools.context
        for pattern in it.sources:
            if isinstance(it, docker.Add) and (source := self._elsewhere(it, pattern)) is not None:
                found.append(source)
            elif isinstance(it, docker.Copy) and not it.from_ and pattern.startswith(("http://", "https://")):
                raise StepFailed("COPY failed: source can't be a URL for COPY", "ADD downloads it.")
            else:
                found += self._found(tree, pattern, it)
        for document in it.heredocs:
            content = document.text.encode("utf-8", "surrogateescape")
            item = MemoryItem(TarEntry(document.name, "file", 0o644, size=len(content)), content)
            found.append(copy.Source(MemoryTree({document.name: item}), document.name, document.name, item))
        if not found:
            raise StepFailed(
                f"{it.keyword} failed: no source files were specified", f"No file matches {' '.join(it.sources)}."
            )
        return found

    def _found(self, tree: Tree | None, pattern: str, it: docker.Copy | docker.Add) -> list[copy.Source]:
        if tree is None:
            raise source_missing(it.keyword, pattern, None)
        unpack = isinstance(it, docker.Add) and it.unpack is not False
        find = copy.find_parents if isinstance(it, docker.Copy) and it.parents else copy.find
        try:
            return [replace(source, unpack=unpack) for source in find(tree, pattern)]
        except FileNotFoundError as error:
            if isinstance(it, docker.Copy) and it.from_:
                raise StepFailed(f"{it.keyword} failed: stat {pattern}: file does not exist") from error
            raise source_missing(it.keyword, pattern, self._tools.scan) from error
        except InputError as error:
            raise StepFailed(f"{it.keyword} failed: {error}", error.hint) from error

    # -- from elsewhere ------------------------------------------------------------------------------------------

    def _elsewhere(self, it: docker.Add, name: str) -> copy.Source | None:
        """What a URL names, None where it is none."""
        from workbench.context.git import is_git
        from workbench.context.remote import is_url

        if is_git(name):
            return self._repository(it, name)
        return self._download(it, name) if is_url(name) else None

    def _download(self, it: docker.Add, url: str) -> copy.Source:
        from workbench.engines.embedded.download import download

        try:
            item = download(url, it.destination, self._tools.new_folder("download"), self._tools.cancel)
        except InputError as error:
            raise StepFailed(f"ADD failed: {error}", error.hint) from error
        if it.checksum and item.digest() != it.checksum:
            raise StepFailed(
                f"ADD failed: {url}: digest mismatch {item.digest()}: {it.checksum}",
                "What the server sends now is not what the checksum was made of.",
            )
        name = posixpath.basename(item.entry.path)
        return copy.Source(MemoryTree({name: item}), name, name, item, unpack=it.unpack is True, remote=True)

    def _repository(self, it: docker.Add, url: str) -> copy.Source:
        """A repository's files. The step cache knows them by their commit."""
        from workbench.context.git import fetch_git, parse_git
        from workbench.engines.embedded.git_ssh import git_environment

        source = _with_flags(it, parse_git(url))
        self._tools.cancel.check()
        folder = self._tools.new_folder("git")
        try:
            found = fetch_git(source, folder, self._tools.cancel.on_ask, git_environment(self._tools.plan.agents))
        except InputError as error:
            self._tools.cancel.check()
            raise StepFailed(f"ADD failed: {error}", error.hint) from error
        tree = self._tools.folder_tree(found.folder)
        root = tree.lookup("")
        assert root is not None, "a tree has a root"
        known = (found.commit, source.subdir, str(source.keep_git_dir), str(source.submodules))
        return copy.Source(tree, "", "", root, known=known)

    # -- whose and how -------------------------------------------------------------------------------------------

    def mode(self, it: docker.Copy | docker.Add) -> ModeChange | None:
        """`--chmod`. Raises StepFailed."""
        if not it.chmod:
            return None
        try:
            return parse_mode(it.chmod)
        except ValueError as error:
            raise StepFailed(str(error)) from error

    def owner(self, it: docker.Copy | docker.Add) -> tuple[int, int] | None:
        """`--chown`: names of the image, or numbers; without a colon the user's word is the group's too. None
        keeps the owners that the files have. Raises StepFailed."""
        if not it.chown:
            return None if isinstance(it, docker.Copy) and it.from_ else (0, 0)
        user, colon, group = it.chown.partition(":")
        if ":" in group:
            raise StepFailed(f"{_CHOWN}: invalid chown string format: {it.chown}", "It is USER or USER:GROUP.")
        accounts = self._view().accounts
        known = accounts.user(user)
        uid = int(user) if user.isdigit() else known[0] if known else None
        if uid is None:
            raise StepFailed(f"{_CHOWN}: can't find uid for user {user}: no such user: {user}")
        group = group if colon else user
        gid = int(group) if group.isdigit() else accounts.group(group)
        if gid is None:
            raise StepFailed(f"{_CHOWN}: can't find gid for group {group}: no such group: {group}")
        return uid, gid


def _with_flags(it: docker.Add, source: GitSource) -> GitSource:
    """What the instruction's flags say beside the URL. Raises StepFailed where they disagree."""
    keep = source.keep_git_dir
    if it.keep_git_dir is not None and keep is not None and it.keep_git_dir != keep:
        raise StepFailed("ADD failed: --keep-git-dir says one thing and the URL another")
    if it.checksum and source.checksum and it.checksum != source.checksum:
        raise StepFailed(f"ADD failed: checksum mismatch {it.checksum!r} != {source.checksum!r}")
    return replace(
        source,
        keep_git_dir=keep if it.keep_git_dir is None else it.keep_git_dir,
        checksum=it.checksum or source.checksum,
    )


def changing(sources: Sequence[copy.Source]) -> dict[str, frozenset[str]]:
    """What was seen to change in the folders that these sources lie in, so far."""
    trees = {str(tree.scan.root): tree for source in sources if isinstance(tree := source.tree, ContextTree)}
    return {root: frozenset(tree.changed) for root, tree in trees.items()}
