"""The documentation: a site made of the repository's own pages, a reference made from the code, guides that are run."""
