"""Small programs of libraries that use Optax: each has ``main() -> {name: array}``."""
