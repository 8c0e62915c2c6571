"use strict";
// Without this script each button loads the page anew. With it only what has changed is shown, as it happens.
const form = document.getElementById("try");
const story = document.getElementById("story");
const said = document.getElementById("said");

// Only what went wrong is for all eyes: the rest is to be seen in the story.
function say(text, isWrong) {
  said.textContent = text;
  said.classList.toggle("hidden", !isWrong);
}

function show(html) {
  story.innerHTML = html;
  const last = story.querySelector("[data-said]");
  if (last && said.textContent !== last.dataset.said) say(last.dataset.said, false);
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
      else say(page.body.textContent, true);
    } catch (error) {
      say("The API does not answer: " + error.message, true);
    } finally {
      button.removeAttribute("aria-busy");
    }
  });
}
