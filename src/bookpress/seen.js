// What a reader of an open page sees cut, and how far it is to the exercises. Folded code counts: a reader unfolds it.
least => {
  const all = selector => [...document.querySelectorAll(selector)];
  const folds = all("article details:not([open])");
  folds.forEach(fold => { fold.open = true; });
  const found = { code: [], tables: [], figures: [] };
  for (const pre of all("article .cell_input pre")) {
    if (pre.scrollWidth <= pre.clientWidth) continue;
    const lines = pre.textContent.trimEnd().split("\n"), longest = Math.max(...lines.map(line => line.length));
    const look = getComputedStyle(pre), left = parseFloat(look.paddingLeft), right = parseFloat(look.paddingRight);
    const fits = (longest * (pre.clientWidth - left)) / (pre.scrollWidth - left - right);
    found.code.push(...lines.filter(line => line.length > fits));
  }
  for (const table of all("article table")) {
    let box = table.parentElement;
    while (box.tagName !== "ARTICLE" && getComputedStyle(box).overflowX === "visible") box = box.parentElement;
    if (table.getBoundingClientRect().right > box.getBoundingClientRect().right + 1) {
      const names = [...table.querySelectorAll("th")].map(cell => cell.textContent.trim()).filter(Boolean);
      found.tables.push(names.slice(0, 3).join(", "));
    }
  }
  for (const image of all("article img[data-text]")) {
    const shown = (image.dataset.text * image.clientWidth) / image.getAttribute("width");
    if (image.clientWidth && shown < least - 0.05) found.figures.push(image.alt.slice(0, 60));
  }
  folds.forEach(fold => { fold.open = false; });
  const article = document.querySelector("article").getBoundingClientRect();
  const end = document.querySelector("#exercises, #quiz")?.getBoundingClientRect().top ?? article.bottom;
  return { ...found, height: end - article.top };
}
