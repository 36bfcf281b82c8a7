"""The paper's figures, drawn from the plugins and runs of the tables, with all data beside them."""
