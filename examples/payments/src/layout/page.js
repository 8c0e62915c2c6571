"use strict";
// Without this script each button loads the page anew. With it only what has changed is shown, as it happens.
const form = document.getElementById("try");
const story = document.getElementById("story");
const said = document.getElementById("said");

function show(html) {
  story.innerHTML = html;
  const last = story.querySelector("[data-said]");
  if (last && said.textContent !== last.dataset.said) said.textContent = last.dataset.said;
}

if (form && story) {
  new EventSource("/live").addEventListener("message", (event) => show(event.data));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter;
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    try {
      const body = new URLSearchParams(new FormData(form, button));
      const answer = await fetch(form.action, { method: "POST", body });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const now = page.getElementById("story");
      if (now) show(now.innerHTML);
      else said.textContent = page.body.textContent;
    } catch (error) {
      said.textContent = "The page's own server does not answer: " + error.message;
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}
