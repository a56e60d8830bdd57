"""Every trap of OpenAI's own ChatKit engine: each check holds here and is seen to fail there."""
