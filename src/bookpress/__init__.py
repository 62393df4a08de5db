"""The book machine: run the notebooks, stage the pages, render them, check them."""
