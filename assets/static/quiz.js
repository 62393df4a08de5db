/* Quizzes: a button under each question says whether the chosen answer is right, and why. */
document.addEventListener("DOMContentLoaded", () => {
  for (const form of document.querySelectorAll("form.quiz-question")) {
    const said = form.querySelector(".quiz-said");
    form.querySelector(".quiz-check").hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const chosen = form.querySelector("input:checked");
      const right = chosen && chosen.dataset.right === "1";
      said.dataset.right = chosen ? String(right) : "";
      said.textContent = chosen ? `${right ? "Right." : "Not quite."} ${chosen.dataset.feedback}` : "Choose an answer first.";
    });
    form.addEventListener("change", () => {
      said.textContent = "";
      said.dataset.right = "";
    });
  }
});
