"""Tests of the engines; `bench` has what they share."""
