// Before a page is printed, what it folds is opened and it becomes light; afterwards all is as it was.
"use strict";
{
  const root = document.documentElement;
  let folded = [], theme;
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("article details:not([open])")];
    folded.forEach((fold) => { fold.open = true; });
    theme = root.dataset.theme;
    root.dataset.theme = "light";
  });
  addEventListener("afterprint", () => {
    folded.forEach((fold) => { fold.open = false; });
    root.dataset.theme = theme;
  });
}
