"""The vocabulary that every engine and every display shares."""
