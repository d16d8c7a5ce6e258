"""Passwords, tokens, open ports and known weaknesses of libraries."""
