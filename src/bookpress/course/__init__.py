"""Teaching with the book: exercises and their student's copy, quizzes, grading, slides."""
