// Passkeys: asks the node what to ask, has the browser ask the person, and sends the answer with the form.
"use strict";
for (const form of document.querySelectorAll("form[data-passkey]")) {
  const said = form.querySelector("[role=alert]"), button = form.querySelector("button");
  const say = (words) => { said.textContent = words; said.hidden = !words; };
  const ask = async () => {
    const body = new URLSearchParams(new FormData(form));
    const answer = await fetch(form.dataset.passkey, { method: "POST", body, signal: AbortSignal.timeout(10000) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.message);
    const publicKey = "new" in form.dataset
      ? PublicKeyCredential.parseCreationOptionsFromJSON(told.options)
      : PublicKeyCredential.parseRequestOptionsFromJSON(told.options);
    const made = await navigator.credentials["new" in form.dataset ? "create" : "get"]({ publicKey });
    form.elements.ticket.value = told.ticket;
    form.elements.answer.value = JSON.stringify(made);
    form.submit();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!window.PublicKeyCredential || !PublicKeyCredential.parseRequestOptionsFromJSON) return say("This browser has no passkeys that work here.");
    say("");
    button.disabled = true;
    ask().catch((error) => {
      button.disabled = false;
      if (error.name === "InvalidStateError") say("This device has a passkey for you already.");
      else say(error.name === "NotAllowedError" ? "No passkey was used: it was cancelled, took too long, or there is none here." : `That did not work: ${error.message}`);
    });
  });
}
