"""Whether a store is whole, what exactly is damaged where it is not, and how damage is set apart."""
