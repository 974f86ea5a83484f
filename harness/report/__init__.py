"""Turns results into text: terminal, markdown, csv, json. The only room that formats."""
