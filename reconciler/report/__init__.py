"""What people read: one summary of plan and preview, as text, Markdown, HTML or JSON.

The rule: pure, and no format computes a figure of its own.

- `summary`: what every format shows of a plan and its preview
- `text`: on a terminal
- `markdown`: for a pull request
- `escape`: text from data, shown as it is in Markdown
- `html`: as one self-contained page
- `status`: what runs against what was planned
- `explanation`: an explanation as tables
- `history`: the ledger's entries and answers as rows and JSON
- `forecast`: forecasts as tables, JSON and CSV
- `answers`: what happened to a resource, and why a past plan was as it was, from the ledger
- `frontier`: cost against violations as a page
"""
