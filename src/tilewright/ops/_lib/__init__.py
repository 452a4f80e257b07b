"""What operator files share: registration with torch, settings, launch facts, and the C++ row prelude."""
