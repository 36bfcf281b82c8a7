"""Makes the documentation's site: pages of the repository, a reference from the code, Zensical."""
