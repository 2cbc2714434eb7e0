"""Tables as the docker command sets them."""

import json

from workbench.build.images import HistoryEntry, Image
from workbench.report.images import history_json, history_table, image_rows, images_table, split_reference
from workbench.report.tables import json_lines, table

NOW = 1_800_000_000.0
IMAGES = [
    Image("sha256:" + "ab" * 32, tags=("genesis:latest", "host:5000/a/genesis:1.0"), created=NOW - 29, size=1_130_000,
          digests=("host:5000/a/genesis@sha256:" + "11" * 32,)),
    Image("sha256:" + "cd" * 32, created=NOW - 240, size=3),
]  # fmt: skip


def test_a_row_for_each_tag_in_dockers_columns() -> None:
    assert images_table(image_rows(IMAGES), NOW) == (
        "REPOSITORY            TAG       IMAGE ID       CREATED          SIZE\n"
        "genesis               latest    abababababab   29 seconds ago   1.13MB\n"
        "host:5000/a/genesis   1.0       abababababab   29 seconds ago   1.13MB\n"
        "<none>                <none>    cdcdcdcdcdcd   4 minutes ago    3B\n"
    )


def test_no_images_is_a_header() -> None:
    assert images_table([], NOW).split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]


def test_digests_and_whole_ids() -> None:
    text = images_table(image_rows(IMAGES), NOW, truncate=False, digests=True)
    assert text.splitlines()[2].split()[2:4] == ["sha256:" + "11" * 32, "sha256:" + "ab" * 32]
    assert text.splitlines()[1].split()[2] == "<none>"


def test_a_name_shows_only_its_tags() -> None:
    assert [row.tag for row in image_rows(IMAGES, "genesis")] == ["latest"]
    assert [row.tag for row in image_rows(IMAGES, "docker.io/library/genesis")] == ["latest"]
    assert [row.tag for row in image_rows(IMAGES, "*/genesis:1*")] == ["1.0"]
    assert image_rows(IMAGES[:1], "genesis:2") == []


def test_names_that_are_hostile_stay_in_their_cell() -> None:
    image = Image("sha256:" + "ab" * 32, tags=("a\x1b[2J\nb:latest",), created=NOW)
    assert "a\\x1b[2J\\nb" in images_table(image_rows([image]), NOW)


def test_json_has_dockers_keys() -> None:
    row = image_rows(IMAGES)[0].json(NOW, truncate=True)
    assert row["Repository"] == "genesis" and row["ID"] == "abababababab" and row["Size"] == "1.13MB"
    assert json.loads(json_lines([row])) == row


def test_references_are_split_at_the_tag_and_not_at_the_port() -> None:
    assert split_reference("host:5000/a/b:c") == ("host:5000/a/b", "c")
    assert split_reference("host:5000/a") == ("host:5000/a", "")


def test_history_is_shortened_unless_it_is_not_to_be() -> None:
    entry = HistoryEntry("", NOW - 60, "/bin/sh -c #(nop) ADD file:" + "a" * 60, 3, comment="c")
    line = history_table([entry], NOW).splitlines()[1]
    assert line.startswith("<missing>   About a minute ago   /bin/sh -c #(nop) ADD file:") and "…" in line
    assert "a" * 60 in history_table([entry], NOW, truncate=False)
    assert history_json(entry, NOW)["ID"] == "<missing>"


def test_the_last_column_is_not_padded() -> None:
    assert table(["A", "B"], [["1", "2"], ["1", ""]]) == "A         B\n1         2\n1\n"
