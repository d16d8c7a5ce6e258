"""Shipped studies, one YAML file each: source, command and cost on top. `study presets` lists them."""
