"""How people are asked for a decision and how they answer: links, pages, messages, and one API for them."""
