"""What moves credits: holds, tokens sold for them, payments, adjustments, and the check of it all."""
