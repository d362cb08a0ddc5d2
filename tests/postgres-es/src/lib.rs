//! Shows that the real postgres-es reads our log; see `tests/`.
