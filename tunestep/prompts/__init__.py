"""Judge prompts of RLAIF: templates of the user's own, read, inspected and rendered without trusting them."""
