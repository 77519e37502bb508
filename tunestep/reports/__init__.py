"""What people look at: a page, a short text and a table for spreadsheets, all made from one run record."""
