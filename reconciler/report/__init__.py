"""What people read: one summary of plan and preview, shown as text, Markdown, HTML or JSON. Pure: no I/O, no clock."""
