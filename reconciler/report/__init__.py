"""Reports for people: one summary of plan and preview, as text, Markdown, HTML or JSON.

The rule: pure. Every format shows the figures of the summary and computes none itself.

- `summary`: the content that every format shows
- `text`: on a terminal
- `markdown`: for a pull request
- `escape`: escapes text from data for Markdown
- `html`: as one self-contained page
- `status`: running counts compared with planned counts
- `explanation`: an explanation as tables
- `history`: the ledger's entries and answers as rows and JSON
- `forecast`: forecasts as tables, JSON and CSV
- `answers`: the changes of a resource and the story of a past plan, from the ledger
- `proposal`: a proposed plan as a commit message and a patch
- `shadow`: shadow plans compared with what ran, and whether promotion is justified
- `service_state`: what a service knows of its runs, and whether it is healthy
- `metrics`: the metrics of a service
- `frontier`: cost against violations as an HTML page
"""
