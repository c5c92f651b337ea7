"""Messages on the page: counted, sent by confirmation, shown, cancelled; and refused to who may not."""

from control_world import APP

BASE = f"/apps/{APP}/messages"
SEND = f"/apps/{APP}/acts/create-message"


def asked(page):
    """The hidden fields of a confirmation."""
    return {name: value for name, value in page.seen.fields.items() if name != "form_token"}


async def test_a_message_is_written_counted_sent_shown_and_cancelled(browser, publish):
    await publish("1.0.0", "production")
    await browser.sign_in("root")
    page = await browser.get(BASE)
    assert "0 devices registered for messages." in page.text and "Nothing is being sent." in page.text
    assert SEND in page.seen.links
    form = await browser.get(SEND)
    assert "What to send, to whom, and when?" in form.text
    refused = await browser.get(f"{SEND}?title=Hello&when=soon")
    assert "invalid time" in refused.text
    query = f"{SEND}?title=Hello+there&when=best&hold_out=5%25"
    page = await browser.get(query)
    assert "0 devices that registered get it" in page.text and "It reaches nobody." in page.text
    assert f"edge message create {APP} --title 'Hello there' --when best --hold-out 5% --yes 0" in page.text
    done = await browser.post(query, asked(page))
    assert (done.status, done.location) == (303, BASE)
    page = await browser.get(BASE)
    assert "waits for its time" in page.text and "Hello there" in page.text
    (one,) = [link for link in page.seen.links if link.startswith(f"{BASE}/m-")]
    page = await browser.get(one)
    assert "It waits for its time (best)" in page.text
    (cancel,) = [link for link in page.seen.links if "cancel-message" in link]
    page = await browser.get(cancel)
    assert "Send nothing more of this message?" in page.text
    assert (await browser.post(cancel, asked(page))).status == 303
    assert "It was cancelled before it was planned." in (await browser.get(one)).text


async def test_who_may_not_send_is_offered_no_button(browser, publish):
    await publish("1.0.0", "production")
    await browser.sign_in("publisher")
    page = await browser.get(BASE)
    assert page.status == 200 and SEND not in page.seen.links
    assert (await browser.get(f"{SEND}?title=Hello")).status == 403
