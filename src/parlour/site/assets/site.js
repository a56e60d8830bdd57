// Loaded before the page is drawn, so that a chosen theme never flashes.
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");

function stored() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null; // storage is forbidden: the system's theme it is
  }
}

function currentTheme() {
  return root.dataset.theme ?? (dark.matches ? "dark" : "light");
}

if (["light", "dark"].includes(stored())) root.dataset.theme = stored();

function startTheme(button) {
  const show = () => button.setAttribute("aria-pressed", String(currentTheme() === "dark"));
  button.hidden = false;
  show();
  dark.addEventListener("change", show);
  button.addEventListener("click", () => {
    root.dataset.theme = currentTheme() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("theme", root.dataset.theme);
    } catch {
      // The choice then lasts for this page.
    }
    show();
  });
}

function startMenu(button, nav) {
  const set = (open) => {
    root.classList.toggle("menu-open", open);
    button.setAttribute("aria-expanded", String(open));
  };
  button.hidden = false;
  button.addEventListener("click", () => set(!root.classList.contains("menu-open")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && root.classList.contains("menu-open")) {
      set(false);
      button.focus();
    }
  });
  document.addEventListener("click", (event) => {
    if (!nav.contains(event.target) && !button.contains(event.target)) set(false);
  });
  // The page one is on is in sight, however long the list; the page itself does not move.
  const current = nav.querySelector("[aria-current]");
  if (current && current.offsetTop > nav.clientHeight - 80) nav.scrollTop = current.offsetTop - nav.clientHeight / 2;
}

function startContents(links) {
  const headings = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
  const mark = () => {
    let here = headings.findLastIndex((heading) => heading && heading.getBoundingClientRect().top < 120);
    if (scrollY > 0 && innerHeight + scrollY >= root.scrollHeight - 4) {
      // At the end of the page the last sections cannot reach the top any more.
      const target = headings.findIndex((heading) => heading && `#${heading.id}` === decodeURIComponent(location.hash));
      here = target > here ? target : headings.length - 1;
    }
    links.forEach((link, index) => link.classList.toggle("here", index === Math.max(0, here)));
  };
  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      mark();
    });
  };
  addEventListener("scroll", soon, { passive: true });
  addEventListener("hashchange", soon);
  mark();
}

function addCopyButton(box) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(box.querySelector("code").textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  box.append(button);
}

document.addEventListener("DOMContentLoaded", () => {
  startTheme(document.querySelector(".theme"));
  startMenu(document.querySelector(".menu"), document.getElementById("_nav"));
  startContents([...document.querySelectorAll(".toc a")]);
  if (navigator.clipboard) document.querySelectorAll(".code").forEach(addCopyButton);
});
