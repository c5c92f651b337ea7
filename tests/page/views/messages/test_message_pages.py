"""Messages on the page: written, counted, changed, sent, shown, cancelled; and refused to who may not."""

from control_world import APP

BASE = f"/apps/{APP}/messages"
NEW = f"{BASE}/new"


def asked(page, step):
    """The hidden fields of a form, with the button that is pressed."""
    return {name: value for name, value in page.seen.fields.items() if name != "form_token"} | {"step": step}


async def test_a_message_is_written_counted_changed_sent_shown_and_cancelled(browser, publish):
    await publish("1.0.0", "production")
    await browser.sign_in("root")
    page = await browser.get(BASE)
    assert "0 devices registered for messages." in page.text and "Nothing is being sent." in page.text
    assert "webhook not set" in page.text and NEW in page.seen.links
    form = await browser.get(NEW)
    assert "What to send, to whom, and when?" in form.text and 'value="5%"' in form.source
    written = {
        "title": "Hello there",
        "when": "best",
        "hold_out": "5%",
        "data": "screen=offers\r\nn=1",
        "body": "a\r\nb",
    }
    page = await browser.post(NEW, written | {"step": "count", "quiet": "22-8"})
    assert "quiet hours are like 22:00-08:00" in page.text and 'id="no-quiet"' in page.source
    assert 'value="Hello there"' in page.source
    page = await browser.post(NEW, written | {"step": "count", "title_b": "We miss you", "share": "50 %"})
    assert "share '50 %' is not a percentage" in page.text and 'id="no-share"' in page.source
    page = await browser.post(NEW, written | {"step": "count", "title_b": "We miss you", "cap": "3/week", "ttl": "2d"})
    assert "0 devices that registered get it" in page.text and "It reaches nobody." in page.text
    told = f"edge message create {APP} --title 'Hello there' --title 'We miss you' --body 'a b' --body '' --data "
    assert f"{told}screen=offers --data n=1 --cap 3/week --when best --hold-out 5% --ttl 2d --yes 0" in page.text
    again = await browser.post(NEW, asked(page, "edit"))
    assert 'value="We miss you"' in again.source and "Count the devices" in again.text
    done = await browser.post(NEW, asked(page, "send"))
    assert (done.status, done.location) == (303, BASE)
    page = await browser.get(BASE)
    assert "waits for its time" in page.text and "Hello there" in page.text
    (one,) = [link for link in page.seen.links if link.startswith(f"{BASE}/m-")]
    page = await browser.get(one)
    assert "It waits for its time (each device's best hour)" in page.text and "screen=offers, n=1" in page.text
    assert "B We miss you" in page.text and "<h1>Hello there</h1>" in page.source
    assert "Nothing to compare yet" in page.text
    (cancel,) = [link for link in page.seen.links if "cancel-message" in link]
    page = await browser.get(cancel)
    assert "Send nothing more of this message?" in page.text
    assert (await browser.post(cancel, {n: v for n, v in page.seen.fields.items() if n != "form_token"})).status == 303
    assert "It was cancelled before it was planned." in (await browser.get(one)).text


async def test_what_was_counted_differently_by_now_is_said_above_the_form(browser, publish):
    await publish("1.0.0", "production")
    await browser.sign_in("root")
    page = await browser.post(NEW, {"step": "count", "silent": "on", "when": "UTC", "at": "2023-11-15T09:00"})
    assert (
        "Send the silent message to 0 devices, 2023-11-15 09:00 UTC?" in page.text and "It is best effort." in page.text
    )
    refused = await browser.post(NEW, asked(page, "send") | {"expected": "50"})
    assert refused.status == 200 and "0 devices, not 50" in refused.text and "[preview_differs]" in refused.text
    assert 'value="2023-11-15T09:00"' in refused.source


async def test_who_may_not_send_is_offered_no_button(browser, publish):
    await publish("1.0.0", "production")
    await browser.sign_in("publisher")
    page = await browser.get(BASE)
    assert page.status == 200 and NEW not in page.seen.links
    assert (await browser.get(NEW)).status == 403
    assert (await browser.post(NEW, {"step": "count", "title": "Hello"})).status == 403
