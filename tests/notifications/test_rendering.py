"""Templates: no logic, everything escaped."""

import pytest

from boxoffice.notifications.rendering import Templates
from tests.support.servers import temporary_folder

PARTS = {
    "_layout.txt": "{{ content }}\n--\n{{ organizer }}",
    "_layout.html": "<body>{{ content }}<i>{{ organizer }}</i></body>",
    "_seats.txt": "* {{ label }}\n",
    "_seats.html": "<li>{{ label }}</li>",
    "hello.txt": "Subject: Hello {{ name }}\n\nHi {{name}}!\n{{ seats }}",
    "hello.html": "<p>{{ name }}</p><ul>{{ seats }}</ul>",
}


@pytest.fixture
def templates() -> Templates:
    with temporary_folder() as folder:
        for name, source in PARTS.items():
            (folder / name).write_text(source)
        return Templates(folder)


def test_values_and_lists_fill_their_places(templates: Templates) -> None:
    told = templates.render("hello", {"name": "Ada", "organizer": "Acme", "seats": [{"label": "A1"}, {"label": "A2"}]})

    assert told.subject == "Hello Ada"
    assert told.text == "Hi Ada!\n* A1\n* A2\n\n--\nAcme"
    assert told.html == "<body><p>Ada</p><ul><li>A1</li><li>A2</li></ul><i>Acme</i></body>"


def test_html_in_a_value_stays_text(templates: Templates) -> None:
    told = templates.render(
        "hello", {"name": "<script>alert('x')</script>", "organizer": '"&', "seats": [{"label": "<b>"}]}
    )

    assert "<script" not in told.html
    assert "&lt;script&gt;alert(&#x27;x&#x27;)" in told.html
    assert "<li>&lt;b&gt;</li>" in told.html
    assert "&quot;&amp;" in told.html


def test_a_value_that_looks_like_a_place_stays_text(templates: Templates) -> None:
    told = templates.render("hello", {"name": "{{ organizer }}", "organizer": "Acme", "seats": []})

    assert told.text.startswith("Hi {{ organizer }}!")


def test_a_subject_is_one_line(templates: Templates) -> None:
    told = templates.render("hello", {"name": "Ada\r\nBcc: x@example.org\u2028y", "organizer": "", "seats": []})

    assert told.subject == "Hello Ada Bcc: x@example.org y"


@pytest.mark.parametrize("name", ["hello", "goodbye"])
def test_a_missing_template_or_value_is_an_error(templates: Templates, name: str) -> None:
    with pytest.raises(KeyError):
        templates.render(name, {"name": "Ada"})


def test_a_template_tells_its_places(templates: Templates) -> None:
    [template] = templates.all()

    assert template.places == ["name", "organizer", "seats"]
