"""Previews as galleries: sounds, images and texts, and nothing that is none of these."""

from harness.report.blocks import section
from harness.report.page import Chapter, render_page
from harness.report.renderers import render_markdown
from harness.report.sections.data_card import galleries

PNG, MP3 = "data:image/png;base64,AAAA", "data:audio/mpeg;base64,AAAA"
HEARD = {"class": "dog", "ids": ["bark-1"], "peaks": [-50, 100, 0, 20], "seconds": 5.0,
         "spectrogram": PNG, "sound": MP3}  # fmt: skip
NASTY = '"><script>alert(1)</script>'


def page(*blocks):
    """The page of one section."""
    return render_page([Chapter("x", "X", [section("x", "X", *blocks)])], title="X", made_at="now")


def test_a_sound_is_drawn_shown_and_played():
    """Two columns from -50 to 100 and from 0 to 20 percent; up is negative in SVG."""
    html = page(*galleries({"n_classes": 1, "classes": [HEARD]}))
    assert 'viewBox="0 -100 1 200"' in html
    assert '<path d="M0,-100L1,-20L1,0L0,50Z"/>' in html
    assert f'<img src="{PNG}"' in html
    assert f'src="{MP3}"' in html
    assert "bark-1, 5 s" in html


def test_a_page_without_figures_carries_no_plotly():
    assert len(page(*galleries({"n_classes": 1, "classes": [HEARD]}))) < 60_000


def test_classes_beyond_those_shown_are_counted():
    (one,) = galleries({"n_classes": 100, "classes": [HEARD]})
    assert one.title.endswith("of one example of each of 1 of 100 classes")


def test_texts_stay_text_and_reach_markdown():
    shown = galleries({"n_classes": 1, "classes": [{"class": "a", "ids": [], "texts": [NASTY]}]})
    assert NASTY not in page(*shown)
    markdown = render_markdown([Chapter("x", "X", [section("x", "X", *shown)])])
    assert '- a: ">&lt;script>alert(1)&lt;/script>' in markdown


def test_only_images_and_sounds_are_put_into_a_page():
    """A file that somebody edited can't make the page load or run anything."""
    edited = HEARD | {"spectrogram": "https://example.org/x.png", "sound": "javascript:alert(1)"}
    html = page(*galleries({"n_classes": 1, "classes": [edited]}))
    assert "example.org" not in html
    assert "javascript:" not in html


def test_rotated_images_are_a_gallery_of_their_own():
    found = galleries({"n_classes": 1, "classes": [], "rotations": PNG})
    assert [one.examples[0].picture for one in found] == [PNG]
    assert "90, 180 and 270 degrees" in found[0].title


def test_nothing_kept_is_nothing_shown():
    assert galleries({}) == []
