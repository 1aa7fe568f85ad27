//! Nothing is here: see `tests/hyper`.
