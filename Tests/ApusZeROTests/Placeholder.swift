// ApusZeRO
