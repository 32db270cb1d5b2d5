// @ts-check
// Light, dark or as the system has it. The choice is remembered where the browser lets us, and works where it does not.

const key = "sae-lab-theme";
const themes = ["auto", "light", "dark"];

/** @param {HTMLSelectElement} select */
export function startTheme(select) {
  let theme = "auto";
  try {
    theme = localStorage.getItem(key) ?? "auto";
  } catch {
    /* no storage here, for instance in a frame */
  }
  apply(themes.includes(theme) ? theme : "auto");
  select.value = document.documentElement.dataset.theme ?? "auto";
  // paper is white, whatever the screen is
  addEventListener("beforeprint", () => apply("light"));
  addEventListener("afterprint", () => apply(select.value));
  select.addEventListener("change", () => {
    apply(select.value);
    try {
      localStorage.setItem(key, select.value);
    } catch {
      /* then it holds for this visit */
    }
  });
}

/** @param {string} theme */
function apply(theme) {
  document.documentElement.dataset.theme = theme;
  document.dispatchEvent(new Event("themechange"));
}
