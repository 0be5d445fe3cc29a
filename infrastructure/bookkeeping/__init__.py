"""What the firm does to many accounts because of a day: dividends, splits and interest."""
