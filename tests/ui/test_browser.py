"""The page as people use it, in Chromium without a network, from the drop to the download."""

import base64
import shutil
import zipfile

import pytest

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
_BROWSERS = ("chromium", "chromium-browser", "chrome", "google-chrome")
_DROP = """async (zone, [name, data]) => {
    const bytes = Uint8Array.from(atob(data), sign => sign.charCodeAt(0));
    const dropped = new DataTransfer();
    dropped.items.add(new File([bytes], name, {type: "image/jpeg"}));
    zone.dispatchEvent(new DragEvent("drop", {dataTransfer: dropped, bubbles: true}));
}"""


@pytest.fixture
def page(served):
    """The page, and the addresses that it asks other servers for."""
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if not browser:
        pytest.skip("there is no Chromium here")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = opened.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        page.elsewhere = []

        def route(route):
            if route.request.url.startswith(served):
                route.continue_()
            else:
                page.elsewhere.append(route.request.url)
                route.abort()

        page.route("**/*", route)
        page.goto(served)
        page.wait_for_selector("#files button")
        yield page
        opened.close()


def drop(page, path):
    """Drops a file from the desktop."""
    data = base64.b64encode(path.read_bytes()).decode()
    page.eval_on_selector("#files button", _DROP, [path.name, data])
    page.wait_for_selector(f"#files >> text={path.stem}")


def again(page):
    page.reload()
    page.wait_for_selector("#files button")


def download(page):
    with page.expect_download() as expected:
        page.click("#save")
    return expected.value


def visible_error(page):
    return page.wait_for_selector(".toast-body, [data-testid=toast-body]").inner_text()


def test_from_the_drop_to_the_download(page, photographs, restored):
    drop(page, photographs / "first.jpg")
    page.click("#start")
    page.wait_for_selector("#save", state="visible")
    for picture in page.query_selector_all("#slider img"):
        page.wait_for_function("image => image.naturalWidth > 0", arg=picture)
        assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [160, 120]
    assert len(page.query_selector_all("#slider img")) == 2
    assert "40 × 30 → 160 × 120 pixels" in page.inner_text("#report")
    made = download(page)
    assert made.suggested_filename == "first_x4.jpg"
    assert made.path().read_bytes() == restored("first.jpg")
    assert page.elsewhere == []


def test_pocket_and_several_photographs_of_which_one_is_broken(page, photographs, restored):
    page.click("#restorer input")
    page.get_by_role("option", name="pocket").click()
    files = [photographs / name for name in ("first.jpg", "broken.jpg", "second.png")]
    page.set_input_files("#files input[type=file]", files)
    page.wait_for_selector("#files >> text=second")
    page.click("#start")
    page.wait_for_selector("#save", state="visible")
    assert "broken.jpg is truncated" in page.inner_text("#report .failed")
    before = page.get_attribute("#slider img", "src")
    page.click("#shown input")
    page.get_by_role("option", name="second.png").click()
    page.wait_for_function(
        "before => document.querySelector('#slider img').src !== before", arg=before
    )
    with zipfile.ZipFile(download(page).path()) as archive:
        assert archive.namelist() == ["first_x4.jpg", "second_x4.png"]
        assert archive.read("first_x4.jpg") == restored("first.jpg", "pocket")
    assert page.elsewhere == []


def test_errors_are_told_in_words(page, photographs, tmp_path):
    page.click("#start")
    assert "There is no photograph yet.\nDrop one" in visible_error(page)
    again(page)
    drop(page, photographs / "broken.jpg")
    page.click("#start")
    assert "broken.jpg is truncated" in visible_error(page)
    again(page)
    (tmp_path / "large.png").write_bytes(bytes(2 * 2**20 + 1))
    page.set_input_files("#files input[type=file]", tmp_path / "large.png")
    assert "exceed the maximum allowed size of 2.0 Mb" in visible_error(page)
