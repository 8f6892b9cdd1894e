"""Register maps, each written once, and what is derived from them."""
