"use strict";
const find = (selector) => document.querySelector(selector);

async function call(method, path, content) {
  const response = await fetch(path, {
    method,
    headers: content ? { "Content-Type": "application/json" } : {},
    body: content && JSON.stringify(content),
  });
  find("#problem").textContent = response.ok ? "" : await response.text();
  return response.ok;
}

function show(todos) {
  find("ul").replaceChildren(...todos.map(({ id, text, done }) => {
    const [item, box, label, remove] = ["li", "input", "span", "button"].map((name) => document.createElement(name));
    item.className = done ? "done" : "";
    Object.assign(box, { type: "checkbox", checked: done });
    box.onchange = () => call("PATCH", `/api/todos/${id}`, { done: box.checked });
    label.textContent = text;
    remove.textContent = "×";
    remove.onclick = () => call("DELETE", `/api/todos/${id}`);
    item.append(box, label, remove);
    return item;
  }));
}

let changes;

function enter(isIn) {
  find("main").hidden = !isIn;
  find("#account").hidden = isIn;
}

// The server sends all todos, at once and after each change, whoever made it. Without a session it refuses.
function watch() {
  changes?.close();
  changes = new EventSource("/api/changes");
  changes.onmessage = ({ data }) => { show(JSON.parse(data)); enter(true); };
  changes.onerror = () => { if (changes.readyState === EventSource.CLOSED) enter(false); };
}

find("#account").onsubmit = async (event) => {
  event.preventDefault();
  const { name, password } = event.target.elements;
  const path = event.submitter.name === "sign-up" ? "/api/users" : "/api/session";
  if (await call("POST", path, { name: name.value, password: password.value })) {
    event.target.reset();
    watch();
  }
};
find("#new").onsubmit = async (event) => {
  event.preventDefault();
  if (await call("POST", "/api/todos", { text: event.target.elements.text.value })) event.target.reset();
};
find("#log-out").onclick = () => call("DELETE", "/api/session");
watch();
